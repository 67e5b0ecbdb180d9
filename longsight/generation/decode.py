"""Decode: new tokens one at a time, as an iterator. Knows token ids only."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from longsight.attention.kv_cache import Cache
from longsight.attention.observer import Observer
from longsight.attention.transfer import Arriving, sent
from longsight.errors import LongSightError
from longsight.generation.prefill import Prefilled
from longsight.models.model import Model


@dataclass(frozen=True)
class Sampling:
    """How a token is chosen: greedy at temperature 0, otherwise from the smallest set of tokens with mass `top_p`.

    `stop`: token ids that end the answer (None: the model's own end token). `seed` None draws a fresh one.
    """

    temperature: float = 0.0
    top_p: float = 1.0
    seed: int | None = None
    stop: frozenset[int] | None = None
    max_new_tokens: int = 256

    def __post_init__(self) -> None:
        if not 0 <= self.temperature <= 100:
            raise LongSightError(f"temperature must be between 0 and 100, but {self.temperature} was given.")
        if not 0 < self.top_p <= 1:
            raise LongSightError(f"top_p must be above 0 and at most 1, but {self.top_p} was given.")
        if self.seed is not None and not 0 <= self.seed < 2**63:
            raise LongSightError(f"seed must be between 0 and 2^63 - 1, but {self.seed} was given.")
        if self.max_new_tokens < 1:
            raise LongSightError(f"max_new_tokens must be at least 1, but {self.max_new_tokens} was given.")


def decode(
    model: Model, prefilled: Prefilled, sampling: Sampling = Sampling(), observer: Observer | None = None
) -> Iterator[int]:
    """Yield new token ids until a stop token (which is not yielded) or `max_new_tokens`; `observer` looks on.

    A token is read after it was yielded, when the next one is asked for: `cache.ids` says what the cache has read, and
    with it another turn can follow (the last token is in it only when a stop token came next). While this writes, the
    cache also holds turned keys (see `Model.cache_bytes`), unless it has `turns = False`.

    On CUDA a token goes from one step into the next without the processor, which learns it while the device reads it
    already; where that was too much, at the end, the cache takes it back. Not so where it cannot, and while `observer`
    looks on.
    """
    choose = _chooser(sampling)
    stop = stop_ids(model) if sampling.stop is None else sampling.stop
    cache = prefilled.cache
    chosen, fed_back = choose(prefilled.logits), False
    feeds_back = observer is None and model.device.type == "cuda" and cache.takes_back

    def read() -> Tensor:
        return choose(model.forward(chosen, cache, retrieves=True, logits_to_keep=1, observer=observer)[-1])

    try:
        for count in range(1, sampling.max_new_tokens + 1):
            arriving, last = Arriving(chosen), count == sampling.max_new_tokens
            if not last and feeds_back and _follows(model, cache):
                chosen, fed_back = read(), True
            token = arriving.number()
            if token in stop:
                return
            yield token
            if not last:
                if not fed_back:
                    if model.seam.outgrown(cache, cache.length + 1) and len(cache.ids) == cache.length:
                        _read_anew(model, cache)
                    chosen = read()
                fed_back = False
                cache.ids.append(token)
    finally:
        if fed_back:
            cache.take_back()
        cache.forget_turned()


def _follows(model: Model, cache: Cache) -> bool:
    """Whether a token can be read after what `cache` holds: its rule goes so far, and nothing has to be read anew."""
    length, longest = cache.length + 1, cache.method.longest
    return not model.seam.outgrown(cache, length) and (longest is None or length <= longest)


def _read_anew(model: Model, cache: Cache, chunk: int = 2048) -> None:
    """Read what `cache` has read once more, as the beginning of a text that is one token longer."""
    ids = torch.tensor(cache.ids.tolist())
    cache.restart()
    cache.reserve(len(ids) + 1)
    for part in ids.split(chunk):
        model.forward(part, cache, logits_to_keep=1)
    cache.ids.extend(ids.tolist())


def stop_ids(model: Model) -> frozenset[int]:
    """The token ids that end an answer, by the model's own account."""
    end = model.hf.generation_config.eos_token_id
    if end is None:
        end = model.tokenizer.eos_token_id if model.tokenizer is not None else None
    if end is None:
        return frozenset()
    return frozenset([end] if isinstance(end, int) else end)


def _chooser(sampling: Sampling) -> Callable[[Tensor], Tensor]:
    """What chooses a token (1,) from logits (vocab,), on their device."""
    if sampling.temperature == 0:
        return lambda logits: logits.argmax(-1, keepdim=True)
    generator = torch.Generator()
    if sampling.seed is None:
        generator.seed()
    else:
        generator.manual_seed(sampling.seed)
    return lambda logits: _sample(logits, sampling, torch.rand(1, dtype=torch.float64, generator=generator))


def _sample(logits: Tensor, sampling: Sampling, drawn: Tensor) -> Tensor:
    """Nucleus sampling (Holtzman et al. 2020, arXiv 1904.09751) of a token (1,) from logits (vocab,), by a number (1,)
    `drawn` evenly from [0, 1) on the CPU: for equal seeds the same on every device, as far as logits are."""
    scores = (logits if logits.device.type == "cuda" else logits.cpu()).double()  # others may have no float64
    scores = (scores - scores.max()) / sampling.temperature  # finite or -inf, however low the temperature
    probability, order = scores.softmax(-1).sort(descending=True, stable=True)
    mass = probability.cumsum(-1)
    nucleus = ((mass - probability) < sampling.top_p).sum(-1, keepdim=True)
    place = torch.searchsorted(mass, sent(drawn, mass.device) * mass.gather(0, nucleus - 1), right=True)
    return order.gather(0, place.minimum(nucleus - 1))
