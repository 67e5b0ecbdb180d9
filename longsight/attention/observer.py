"""What a probe is shown of a forward pass: attention, layer by layer and block by block, never all of it at once.

Attention itself runs through fused kernels that keep no logits. A probe that wants them asks the `AttentionStep` for
`blocks`, and each block of queries is computed once more, with its logits, and forgotten.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from longsight.attention.encoding import Encoding, rotate
from longsight.attention.fast import BLOCK, BandKeys, band_keys, key_range
from longsight.methods import Method
from longsight.methods.bands import Band
from longsight.methods.base import of_group

BUDGET = 2**23
"""How many logits a block may hold: 32 MiB in float32."""


@dataclass(frozen=True)
class Block:
    """Consecutive queries of one layer and every key that any of them may see.

    `i` (query,) and `j` (key,) positions; a position occurs in `j` once per band that may show it. `band` (key,) is an
    index into the method's bands; `distance` (query, key) is what the model is told, or of groups of frequencies the
    slowest; `logits` (head, query, key) are final, -inf where hidden, so that a softmax over keys gives the attention
    weights (before any fetched keys); with learned `sinks` (head,), which are logits of no key, over them too.
    Unless heads are `alike`, each group that follows a rule has columns of its own, hidden from the other heads, and
    `band` counts the bands of one rule after those of another.
    """

    i: Tensor
    j: Tensor
    band: Tensor
    distance: Tensor
    logits: Tensor
    sinks: Tensor | None = None
    alike: bool = True


@dataclass(frozen=True)
class Fetched:
    """What the queries `rows` of a step fetched by content: positions `j` (head, key), or (1, key) where heads share
    them, `distance` (query, key), and `logits` (head, query, key), -inf where a query does not see what others do."""

    rows: slice
    j: Tensor
    distance: Tensor
    logits: Tensor

    def of(self, queries: Tensor) -> "Fetched":
        """What those of the `queries` of the step fetched that are among its rows."""
        here = queries - self.rows.start
        return replace(self, distance=self.distance[here], logits=self.logits[:, here])


@dataclass(frozen=True)
class AttentionStep:
    """One layer's attention for consecutive queries `i` (query,) over stored keys at `j` (key,), for a batch of one.

    `q` (head, query, channel), as the layer scales it, and `k` (key_head, key, channel) are unrotated;
    `method` is the rule of this layer.
    """

    layer: int
    method: Method
    encoding: Encoding
    scaling: float
    q: Tensor
    k: Tensor
    i: Tensor
    j: Tensor
    fetched: tuple[Fetched, ...] = ()
    sinks: Tensor | None = None
    softcap: float | None = None

    @property
    def parts(self) -> list[tuple[slice, Fetched | None]]:
        """The queries, cut where others fetched something else, each with what they fetched."""
        found: list[tuple[slice, Fetched | None]] = []
        done = 0
        for each in self.fetched:
            if done < each.rows.start:
                found.append((slice(done, each.rows.start), None))
            found.append((each.rows, each))
            done = each.rows.stop
        return found if done == len(self.i) else [*found, (slice(done, len(self.i)), None)]

    def blocks(self, budget: int = BUDGET, rows: slice = slice(None)) -> Iterator[Block]:
        """The step in blocks of at most `budget` logits (one query at least), or only its queries `rows`."""
        order = self.j.argsort()
        j, k = self.j[order], self.k[:, order]
        start, stop, _ = rows.indices(len(self.i))
        for run in self.method.runs(self.i[start:stop]):
            queries = slice(start + run.start, start + run.stop)
            yield from self._run_blocks(self.i[queries], self.q[:, queries], j, k, budget)

    def _run_blocks(
        self, i: Tensor, q: Tensor, j: Tensor, k: Tensor, budget: int, size: int | None = None
    ) -> Iterator[Block]:
        """The blocks of queries that share their frequencies, of `size` queries where that is given."""
        encoding = self.encoding.under(self.method, self.method.length_at(i[0]))
        if (scale := self.method.logit_scale(i)) is not None:
            q = q * scale.to(q)[:, None]
        turned = [self._turn(band, i, q, j, k, encoding) for band in self.method.bands]
        keys = sum(known.keys.stop - known.keys.start for known, _, _ in turned)
        size = max(1, min(BLOCK, budget // max(keys * len(q), 1))) if size is None else size
        for first in range(0, len(i), size):
            rows = slice(first, min(first + size, len(i)))
            parts = [self._band_block(n, band, i, j, rows, *turned[n]) for n, band in enumerate(self.method.bands)]
            at, band, distance, logits = (_joined(x) for x in zip(*parts, strict=True))
            yield Block(i[rows], at, band, distance, logits, self.sinks)

    def _turn(
        self, band: Band, i: Tensor, q: Tensor, j: Tensor, k: Tensor, encoding: Encoding
    ) -> tuple[BandKeys, Tensor, Tensor]:
        keys = key_range(j, band.span.first(i[:1]), band.span.last(i[-1:]))
        known = band_keys(band, i, j[keys], keys, encoding, q)
        q = rotate(q[None], known.q_table, encoding.interleaved)[0]
        k = rotate(k[None, :, keys], known.k_table, encoding.interleaved)[0]
        exact = torch.promote_types(q.dtype, torch.float32)  # as the kernels, which never round logits to 16 bits
        return known, q.to(exact) * self.scaling, k.to(exact)

    def _band_block(
        self, number: int, band: Band, i: Tensor, j: Tensor, rows: slice, known: BandKeys, q: Tensor, k: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        seen = key_range(j, band.span.first(i[rows][:1]), band.span.last(i[rows][-1:]))
        local = slice(seen.start - known.keys.start, seen.stop - known.keys.start)
        if seen.start >= seen.stop:  # a band that shows this block nothing
            local = slice(0, 0)
        i, j = i[rows], j[known.keys][local]
        q, k = q[:, rows], k[:, local]
        logits = (q.reshape(len(k), -1, *q.shape[1:]) @ k[:, None].mT).flatten(0, 1)
        if self.softcap is not None:
            logits = logits.div_(self.softcap).tanh_().mul_(self.softcap)
        if known.k_bias is not None and known.q_bias is not None:
            logits = logits + (known.k_bias[:, :, local] + known.q_bias[:, rows, None]).to(logits)
        hidden = ~band.visible(i[:, None], j[None])
        distance = of_group(band.distance(i[:, None], j[None])).to(torch.float32)
        logits += torch.zeros_like(logits[0]).masked_fill_(hidden, -torch.inf)  # adding is faster than masking
        return j, torch.full_like(j, number), distance, logits


@dataclass(frozen=True)
class SplitStep(AttentionStep):
    """A step in a layer whose heads follow rules of their own: `groups` of query heads, each with its step, whose keys
    are those of `method`'s rule for it. `encoding`, `k` and `j` are the first group's."""

    groups: tuple[tuple[Sequence[int], AttentionStep], ...] = ()

    def blocks(self, budget: int = BUDGET, rows: slice = slice(None)) -> Iterator[Block]:
        keys = sum(len(step.j) for _, step in self.groups)
        size = max(1, min(BLOCK, budget // max(keys * len(self.q), 1)))
        found = [self._group_blocks(heads, step, rows, size) for heads, step in self.groups]
        bands = [len(step.method.bands) for _, step in self.groups]
        for blocks in zip(*found, strict=True):
            band = _joined(tuple(block.band + sum(bands[:n]) for n, block in enumerate(blocks)))
            parts = (self._for_all_heads(heads, block) for (heads, _), block in zip(self.groups, blocks, strict=True))
            logits, distance = _joined(tuple(parts)), _joined(tuple(block.distance for block in blocks))
            j = _joined(tuple(block.j for block in blocks))
            yield Block(blocks[0].i, j, band, distance, logits, self.sinks, alike=False)

    def _group_blocks(self, heads: Sequence[int], step: AttentionStep, rows: slice, size: int) -> Iterator[Block]:
        order = step.j.argsort()
        q = self.q[list(heads)][:, rows]
        return step._run_blocks(self.i[rows], q, step.j[order], step.k[:, order], 0, size)

    def _for_all_heads(self, heads: Sequence[int], block: Block) -> Tensor:
        logits = block.logits.new_full((len(self.q), *block.logits.shape[1:]), -torch.inf)
        logits[list(heads)] = block.logits
        return logits


def joined_steps(
    method: Method, steps: Sequence[AttentionStep], heads: Sequence[Sequence[int]], sinks: Tensor | None
) -> SplitStep:
    """One step of all query heads from those of groups of `heads`."""
    first = steps[0]
    q = first.q.new_empty(sum(map(len, heads)), *first.q.shape[1:])
    for group, step in zip(heads, steps, strict=True):
        q[list(group)] = step.q
    whole = replace(first, method=method, q=q, sinks=sinks)
    return SplitStep(**vars(whole), groups=tuple(zip(heads, steps, strict=True)))


def _joined(parts: tuple[Tensor, ...]) -> Tensor:
    """The bands' parts side by side; a single one is not copied."""
    return parts[0] if len(parts) == 1 else torch.cat(parts, dim=-1)


class Observer:
    """Something that watches a forward pass. Overrides what it wants to see; every call is for a batch of one."""

    wants_hidden: bool = False
    """Whether `hidden` is to be called at all: it costs memory."""

    def attention(self, step: AttentionStep) -> None:
        """One layer has attended."""

    def hidden(self, start: int, states: tuple[Tensor, ...]) -> None:
        """The residual stream of tokens `start`, `start + 1` ...: after the embedding and after each layer, (token,
        channel) each; the last one is after the final norm."""

    def logits(self, start: int, logits: Tensor) -> None:
        """The logits (token, vocab) of tokens `start`, `start + 1` ..."""
