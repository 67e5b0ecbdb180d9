"""Many prompts under one method, and what they have in common read only once. Knows token ids only.

Prompts that begin alike make a tree: each branch is read into a cache, and every way that leads on from it goes on with
a fork of that cache. Prompts that differ only in what can no longer be seen at their end, through a window, are one.
"""

from array import array
from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from torch import Tensor

from longsight.attention.kept_keys import receptive_field
from longsight.attention.kv_cache import Cache
from longsight.errors import LongSightError
from longsight.generation.prefill import Chunk, Prefilled, check_chunk, forward_steps
from longsight.methods import Method
from longsight.models.model import Ids, Model
from longsight.progress import Progress

WORTHWHILE = 64
"""Fewer tokens in common than this are not worth copying a cache for [tokens]."""


@dataclass(frozen=True)
class ReadPrompt:
    """A prompt that has been read to its end: its number among those given, and what one goes on from."""

    number: int
    prefilled: Prefilled


@dataclass(frozen=True)
class Branch:
    """Tokens `start` to `end` of all of `prompts`; then `children` go on. A prompt ends where a branch has none."""

    start: int
    end: int
    prompts: tuple[int, ...]
    children: tuple["Branch", ...] = ()

    @property
    def tokens(self) -> int:
        """How many tokens the whole tree has."""
        return self.end - self.start + sum(child.tokens for child in self.children)


def prefill_shared(
    model: Model, prompts: Sequence[Ids], method: Method, chunk: Chunk = 2048
) -> Generator[Progress[ReadPrompt], None, None]:
    """Read every prompt to its end; yields after each chunk, and hands out each prompt as soon as it has been read.

    The result of each is that of `prefill`, up to rounding. Prompts come in an order of the tree's own, and at most
    log2(prompts) + 2 caches are held at a time, besides those that the caller keeps. Closing the generator stops the
    work. Raises `LongSightError` when there is no prompt, or one that is no text of the model.
    """
    if not prompts:
        raise LongSightError("There is nothing to read: no prompt was given.")
    check_chunk(chunk)
    checked = [model.check_ids(ids) for ids in prompts]
    read = [ids[len(ids) - method.keeps(len(ids)) :] for ids in checked]
    twins = list(alike(read, receptive_field(model.seam.rules(method))))
    firsts = [read[same[0]] for same in twins]
    heard = [tuple(len(ids) > switch for switch in sorted(model.seam.switches)) for ids in firsts]
    retrieval = method.retrieval
    tree = plan([ids.tolist() for ids in firsts], heard, 1 if retrieval is None else max(retrieval.queries, 1))
    done = 0
    for part in _grow(model, firsts, tree, model.seam.new_cache(method), chunk):
        done += part.done
        if part.result is None:
            yield Progress(done, tree.tokens)
            continue
        prefilled = part.result.prefilled
        *others, last = twins[part.result.number]
        for n in others:
            yield Progress(done, tree.tokens, result=ReadPrompt(n, _lent(prefilled, read[n])))
        prefilled.cache.ids = array("q", read[last].tolist())
        yield Progress(done, tree.tokens, result=ReadPrompt(last, prefilled))


def alike(prompts: Sequence[Tensor], seen: tuple[int, int] | None) -> Iterable[list[int]]:
    """The numbers of prompts that are equal in all that matters: their length, and the first and last tokens `seen`."""
    groups: dict[tuple, list[int]] = {}
    for n, ids in enumerate(prompts):
        parts = (ids,) if seen is None or sum(seen) >= len(ids) else (ids[: seen[0]], ids[len(ids) - seen[1] :])
        groups.setdefault((len(ids), *(part.numpy().tobytes() for part in parts)), []).append(n)
    return groups.values()


def _lent(prefilled: Prefilled, ids: Tensor) -> Prefilled:
    """What was read, once more, as if it had been `ids`."""
    cache = prefilled.cache.fork()
    cache.ids = array("q", ids.tolist())
    return Prefilled(cache, prefilled.logits)


def plan(
    prompts: Sequence[Sequence[int]], heard: Sequence[tuple[bool, ...]] | None = None, multiple: int = 1
) -> Branch:
    """The tree of non-empty prompts, its smaller ways first: the cache itself is then free for the last one.

    Prompts that are `heard` otherwise (see `Encoding.for_text`) share nothing, however alike they begin, and what is
    shared is a `multiple` of tokens: as many queries fetch together.
    """
    heard = heard or [()] * len(prompts)
    order = sorted(range(len(prompts)), key=lambda n: (heard[n], tuple(prompts[n])))
    ways = [_branch(prompts, tuple(group), 0, multiple) for _, group in groupby(order, key=lambda n: heard[n])]
    return ways[0] if len(ways) == 1 else Branch(0, 0, tuple(order), tuple(sorted(ways, key=lambda w: len(w.prompts))))


def _branch(prompts: Sequence[Sequence[int]], chosen: tuple[int, ...], start: int, multiple: int) -> Branch:
    """The tree from token `start` of the `chosen` prompts, which are sorted and equal up to there."""
    if len(chosen) == 1:
        return Branch(start, len(prompts[chosen[0]]), chosen)
    first, last = prompts[chosen[0]], prompts[chosen[-1]]  # of sorted ones, these two have the least in common
    shortest = min(len(prompts[n]) for n in chosen)
    end = start
    while end < shortest - 1 and first[end] == last[end]:  # each has an end of its own to read
        end += 1
    ways = [tuple(group) for _, group in groupby(chosen, key=lambda n: prompts[n][end])]
    end -= end % multiple
    if end - start < WORTHWHILE:
        end = start
    if len(ways) == 1:  # equal up to the end of the shortest
        ways = [(n,) for n in chosen]
    children = sorted((_branch(prompts, way, end, multiple) for way in ways), key=lambda child: len(child.prompts))
    return Branch(start, end, chosen, tuple(children))


def _grow(
    model: Model, prompts: Sequence[Tensor], branch: Branch, cache: Cache, chunk: Chunk
) -> Iterator[Progress[ReadPrompt]]:
    """Read a branch into `cache`, which is used up; `done` of each part, and its `total`, count its own tokens only."""
    ids = prompts[branch.prompts[0]][branch.start : branch.end]
    cache.reserve(max(len(prompts[n]) for n in branch.prompts))
    read = 0
    for done, logits in forward_steps(model, ids, cache, chunk, ends=not branch.children):
        tokens, read = done - read, done
        ended = not branch.children and done == len(ids)
        result = ReadPrompt(branch.prompts[0], Prefilled(cache, logits[-1].clone())) if ended else None
        yield Progress(tokens, tokens, result=result)
    if not branch.children:
        return
    *others, last = branch.children
    for child in others:
        yield from _grow(model, prompts, child, cache.fork(), chunk)
    yield from _grow(model, prompts, last, cache, chunk)
