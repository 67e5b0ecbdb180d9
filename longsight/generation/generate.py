"""Prefill in chunks, decode as an iterator. Knows token ids only; text is longsight.generation.prompt's business."""

from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from longsight.attention.kv_cache import Cache
from longsight.attention.observer import Observer
from longsight.errors import LongSightError
from longsight.methods import Method
from longsight.models.model import Ids, Model
from longsight.progress import Progress, Report, finish


@dataclass(frozen=True)
class Prefilled:
    """A text that has been read: the cache, and the logits (vocab,) for the token that comes next."""

    cache: Cache
    logits: Tensor


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


def prefill_steps(
    model: Model, ids: Ids, method: Method, cache: Cache | None = None, chunk: int = 2048
) -> Generator[Progress, None, Prefilled]:
    """Read `ids` after what `cache` holds, `chunk` tokens at a time; yields after each chunk and returns the result.

    Closing the generator stops the work; nothing else refers to a cache that it began.
    """
    ids = model.check_ids(ids)
    if chunk < 1:
        raise LongSightError(f"chunk must be at least 1 token, but {chunk} was given.")
    if cache is not None and cache.method != method:
        raise LongSightError(
            f"This conversation was read with {cache.method.describe()}; to go on with {method.describe()} it must be "
            "read again from the start."
        )
    cache, ids = _place(model, ids, method, cache)
    total = len(ids)
    cache.reserve(cache.length + total)
    for start in range(0, total, chunk):
        part = ids[start : start + chunk]
        last = start + len(part) == total
        logits = model.forward(part, cache, retrieves=last, rows=1)
        cache.ids.extend(part.tolist())
        yield Progress(start + len(part), total)
    return Prefilled(cache, logits[-1].clone())


def _place(model: Model, ids: Tensor, method: Method, cache: Cache | None) -> tuple[Cache, Tensor]:
    """Where to go on reading. A method that cuts the prompt starts afresh once the text outgrows what it keeps."""
    so_far = 0 if cache is None else cache.length
    kept = method.keeps(so_far + len(ids))
    if cache is not None and kept == so_far + len(ids):
        return cache, ids
    if cache is not None and so_far:
        ids = torch.cat((torch.tensor(cache.ids.tolist(), dtype=torch.int64), ids))
    return model.seam.new_cache(method), ids[max(len(ids) - kept, 0) :]


def prefill(
    model: Model,
    ids: Ids,
    method: Method,
    cache: Cache | None = None,
    chunk: int = 2048,
    progress: Report | None = None,
) -> Prefilled:
    """`prefill_steps` run to its end; `progress(done, total)` is called after each chunk."""
    return finish(prefill_steps(model, ids, method, cache, chunk), progress)


def watch(
    model: Model, ids: Ids, method: Method, observer: Observer, chunk: int = 512
) -> Generator[Progress, None, None]:
    """Read `ids` with `observer` looking on, `chunk` tokens at a time; yields after each chunk.

    Positions that the observer is told count from the first token that the method reads (see `Method.keeps`).
    """
    ids = model.check_ids(ids)
    ids = ids[len(ids) - method.keeps(len(ids)) :]
    cache = model.seam.new_cache(method)
    cache.reserve(len(ids))
    for start in range(0, len(ids), chunk):
        part = ids[start : start + chunk]
        model.forward(part, cache, retrieves=start + len(part) == len(ids), observer=observer)
        yield Progress(start + len(part), len(ids))


def decode(
    model: Model, prefilled: Prefilled, sampling: Sampling = Sampling(), observer: Observer | None = None
) -> Iterator[int]:
    """Yield new token ids until a stop token (which is not yielded) or `max_new_tokens`; `observer` looks on.

    A token is read after it was yielded, when the next one is asked for: `cache.ids` says what the cache has read, and
    with it another turn can follow (the last token is in it only when a stop token came next).
    """
    choose = _chooser(sampling)
    stop = stop_ids(model) if sampling.stop is None else sampling.stop
    cache, logits = prefilled.cache, prefilled.logits
    for count in range(1, sampling.max_new_tokens + 1):
        token = choose(logits)
        if token in stop:
            return
        yield token
        if count < sampling.max_new_tokens:
            logits = model.forward(torch.tensor([token]), cache, retrieves=True, rows=1, observer=observer)[-1]
            cache.ids.append(token)


def stop_ids(model: Model) -> frozenset[int]:
    """The token ids that end an answer, by the model's own account."""
    end = model.hf.generation_config.eos_token_id
    if end is None:
        end = model.tokenizer.eos_token_id if model.tokenizer is not None else None
    if end is None:
        return frozenset()
    return frozenset([end] if isinstance(end, int) else end)


def _chooser(sampling: Sampling) -> Callable[[Tensor], int]:
    if sampling.temperature == 0:
        return lambda logits: int(logits.argmax())
    generator = torch.Generator()
    if sampling.seed is None:
        generator.seed()
    else:
        generator.manual_seed(sampling.seed)
    return lambda logits: _sample(logits, sampling, generator)


def _sample(logits: Tensor, sampling: Sampling, generator: torch.Generator) -> int:
    """Nucleus sampling (Holtzman et al. 2020, arXiv 1904.09751) from logits (vocab,); on the CPU, for equal seeds."""
    scores = logits.cpu().double()
    scores = (scores - scores.max()) / sampling.temperature  # finite or -inf, however low the temperature
    probability, order = scores.softmax(-1).sort(descending=True)
    before = probability.cumsum(-1) - probability
    probability = probability.masked_fill(before >= sampling.top_p, 0)
    return int(order[torch.multinomial(probability, 1, generator=generator)])
