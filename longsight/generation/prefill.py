"""Prefill: a text is read in chunks into a KV cache. Token ids only; text is the business of `prompt.py`."""

import time
from collections.abc import Generator
from dataclasses import dataclass

import torch
from torch import Tensor

from longsight.attention.kv_cache import Cache
from longsight.attention.observer import Observer
from longsight.errors import LongSightError
from longsight.methods import Method
from longsight.models.model import Ids, Model
from longsight.progress import Progress, Report, finish


@dataclass
class StepSize:
    """How many tokens to read at once, so that a step takes about `seconds`: it learns from each how long that took.
    What is read does not depend on it."""

    seconds: float = 0.25
    tokens: int = 128

    FEWEST, MOST = 16, 2048

    def learn(self, tokens: int, seconds: float) -> None:
        """A step of `tokens` took `seconds`; the next one is at most twice or half as large."""
        wanted = round(tokens * self.seconds / max(seconds, 1e-6))
        self.tokens = min(max(wanted, self.tokens // 2, self.FEWEST), 2 * self.tokens, self.MOST)


Chunk = int | StepSize
"""Tokens that are read at once."""


@dataclass(frozen=True)
class Prefilled:
    """A text that has been read: the cache, and the logits (vocab,) for the token that comes next."""

    cache: Cache
    logits: Tensor


def prefill_steps(
    model: Model, ids: Ids, method: Method, cache: Cache | None = None, chunk: Chunk = 2048, room: int = 0
) -> Generator[Progress, None, Prefilled]:
    """Read `ids` after what `cache` holds, `chunk` tokens at a time; yields after each chunk and returns the result.

    `room`: tokens that are to follow, whose place in the cache is taken at once; else it grows, by a quarter at least.
    A text that is to be offloaded is read into `model.seam.new_cache(method, offload=True)`. Closing the generator
    stops the work; nothing else refers to a cache that it began.
    """
    ids = model.check_ids(ids)
    check_chunk(chunk)
    if cache is not None and cache.method != method:
        raise LongSightError(
            f"This conversation was read with {cache.method.describe()}; to go on with {method.describe()} it must be "
            "read again from the start."
        )
    cache, ids = _place(model, ids, method, cache)
    total = len(ids)
    cache.reserve(cache.length + total, room)
    for done, logits in forward_steps(model, ids, cache, chunk):
        read = Prefilled(cache, logits[-1].clone())
        yield Progress(done, total)
    cache.forget_turned()  # those of a last chunk of one token
    return read


def check_chunk(chunk: Chunk) -> None:
    """Raise `LongSightError` where nothing would be read at once."""
    if isinstance(chunk, int) and chunk < 1:
        raise LongSightError(f"chunk must be at least 1 token, but {chunk} was given.")


def forward_steps(
    model: Model, ids: Tensor, cache: Cache, chunk: Chunk, *,
    ends: bool = True, logits_to_keep: int = 1, observer: Observer | None = None,
) -> Generator[tuple[int, Tensor], None, None]:  # fmt: skip
    """Read `ids` (n,) into `cache`; yields, after each chunk, the tokens read so far and its logits (kept, vocab).

    `ends`: the last of them is the last of a prompt, and fetches. Chunks are longer where queries fetch together.
    """
    done = 0
    while done < len(ids):
        size = cache.method.piece(cache.length, chunk if isinstance(chunk, int) else chunk.tokens)
        part = ids[done : done + size]
        done, begun = done + len(part), time.perf_counter()
        last = ends and done == len(ids)
        logits = model.forward(part, cache, retrieves=last, logits_to_keep=logits_to_keep, observer=observer)
        cache.ids.extend(part.tolist())
        if isinstance(chunk, StepSize):
            chunk.learn(len(part), time.perf_counter() - begun)
        yield done, logits


def _place(model: Model, ids: Tensor, method: Method, cache: Cache | None) -> tuple[Cache, Tensor]:
    """Where to go on reading. A method that cuts the prompt starts afresh once the text outgrows what it keeps, and so
    does a model that hears long texts otherwise once it outgrows the short ones."""
    so_far = 0 if cache is None else cache.length
    total = so_far + len(ids)
    kept = method.keeps(total)
    if cache is not None and kept == total and not model.seam.outgrown(cache, total):
        return cache, ids
    if cache is not None and so_far:
        ids = torch.cat((torch.tensor(cache.ids.tolist(), dtype=torch.int64), ids))
    offload = cache is not None and cache.offload is not None
    return model.seam.new_cache(method, offload=offload), ids[max(len(ids) - kept, 0) :]


def prefill(
    model: Model,
    ids: Ids,
    method: Method,
    cache: Cache | None = None,
    chunk: int = 2048,
    progress: Report | None = None,
    room: int = 0,
) -> Prefilled:
    """`prefill_steps` run to its end; `progress(done, total)` is called after each chunk."""
    return finish(prefill_steps(model, ids, method, cache, chunk, room), progress)


def watch(
    model: Model, ids: Ids, method: Method, observer: Observer, chunk: Chunk = 512
) -> Generator[Progress, None, None]:
    """Read `ids` with `observer` looking on, `chunk` tokens at a time; yields after each chunk.

    Positions that the observer is told count from the first token that the method reads (see `Method.keeps`).
    """
    ids = model.check_ids(ids)
    ids = ids[len(ids) - method.keeps(len(ids)) :]
    cache = model.seam.new_cache(method)
    cache.reserve(len(ids))
    for done, _ in forward_steps(model, ids, cache, chunk, logits_to_keep=0, observer=observer):
        yield Progress(done, len(ids))
