"""Keys fetched by content: they follow from what keys hold, and not from where they are alone.

The rules are in `longsight/methods/fetching.py`. A text is taken here row by row of a batch: q (head, query, channel);
k, v (key_head, key, channel) are all keys of the text, since a layer that fetches remembers everything, so that a key's
index is its position. They may be in another memory than queries: what is fetched of them is brought to these.
Positions of queries are on the CPU.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from typing import Self

import torch
from torch import Tensor

from longsight.attention.block_memory import BlockMemory, Hearing
from longsight.attention.encoding import rotate
from longsight.attention.kernels import kernel, merge
from longsight.attention.transfer import sent
from longsight.methods.fetching import LAST, BestBlocks, BestKeys, BestSpans, Retrieval

BUDGET = 2**23
"""How many scores are held at a time: 32 MiB."""


@dataclass(frozen=True)
class FetchingQueries:
    """Queries at `i` (query,), as they are multiplied with keys, and `at_distance`, rotated to that of fetched keys if
    these all stand at one; how their layer hears, and what it remembers.

    `scores` (head, key) of all keys from `scored` on, where those of several blocks of queries were made at once.
    """

    q: Tensor
    at_distance: Tensor
    i: Tensor
    rule: Retrieval
    hearing: Hearing
    memory: BlockMemory | None = None
    scores: Tensor | None = None
    scored: int = 0

    @classmethod
    def of(cls, q: Tensor, i: Tensor, rule: Retrieval, hearing: Hearing, memory: BlockMemory | None = None) -> Self:
        return cls(q, q if rule.distance is None else hearing.turned(q, rule.distance), i, rule, hearing, memory)

    def part(self, rows: slice) -> Self:
        """Those that fetch together."""
        return replace(self, q=self.q[:, rows], at_distance=self.at_distance[:, rows], i=self.i[rows])

    @cached_property
    def middle(self) -> slice:
        """The keys that some of them may fetch."""
        return slice(int(self.rule.middle.first(self.i[:1])), int(self.rule.middle.last(self.i[-1:])))


@dataclass(frozen=True)
class FetchedKeys:
    """What queries that fetch together fetched: the positions `j` (head, key), or (1, key) where a layer's heads share
    them, their `distance` (query, key), and which are `hidden` (head or 1, query, key) from some of the queries."""

    asking: FetchingQueries
    j: Tensor
    distance: Tensor
    hidden: Tensor | None

    def attend(self, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        """Attention to them -> (head, query, channel) and log-sum-exp (head, query)."""
        q, k, q_bias, k_bias = self._turned(k)
        mask = k_bias
        if self.hidden is not None:
            huge = torch.finfo(q.dtype).min / 2  # finite, so that a query that sees none of them gets no NaN
            hidden = torch.zeros(self.hidden.shape, dtype=q.dtype, device=q.device).masked_fill_(self.hidden, huge)
            mask = hidden.expand(len(q), -1, -1) if mask is None else hidden + mask
        heard = self.asking.hearing
        out, lse = kernel(q[None], k[None], self._picked(v)[None], mask, heard.scaling, heard.softcap)
        return out[0], lse[0] if q_bias is None else lse[0] + q_bias

    def logits(self, k: Tensor) -> Tensor:
        """Their logits (head, query, key), -inf where hidden."""
        q, k, q_bias, k_bias = self._turned(k)
        exact = torch.promote_types(q.dtype, torch.float32)
        logits = (q.to(exact).reshape(len(k), -1, q.shape[-1]) * self.asking.hearing.scaling) @ k.to(exact).mT
        logits = logits.reshape(*q.shape[:2], -1)
        if (softcap := self.asking.hearing.softcap) is not None:
            logits = softcap * (logits / softcap).tanh()
        if q_bias is not None:
            logits = logits + q_bias[..., None] + (0 if k_bias is None else k_bias)
        return logits if self.hidden is None else logits.masked_fill(self.hidden, -torch.inf)

    def _turned(self, k: Tensor) -> tuple[Tensor, Tensor, Tensor | None, Tensor | None]:
        """Queries and fetched keys where they stand, and their biases (head, query), (head, 1, key)."""
        asking, encoding = self.asking, self.asking.hearing.encoding
        alike = asking.rule.distance is not None
        told = self.distance[:1, 0] if alike else self.distance[:, -1]  # of the last key, which stands at 0
        behind = told[:0] if alike else self.distance[0, -1] - self.distance[0]
        k, q_bias, k_bias = self._picked(k), encoding.bias(-told), None
        if alike:
            q = asking.at_distance
        else:
            q = rotate(asking.q[None], encoding.table(told, asking.q), encoding.interleaved)[0]
            k = rotate(k[None], encoding.table(behind, k), encoding.interleaved)[0]
            k_bias = encoding.bias(behind)
        return q, k, _at(q, q_bias), _at(q, None if k_bias is None else k_bias[:, None])

    def _picked(self, x: Tensor) -> Tensor:
        """(key_head or head, key, channel): of each head, or those that all heads share, where the queries are."""
        j = self.j.to(x.device)
        if len(j) == 1:
            return sent(x[:, j[0]], self.asking.q.device)
        heads = torch.arange(len(j), device=x.device) // (len(j) // len(x))
        return sent(x[heads[:, None], j], self.asking.q.device)


def _at(q: Tensor, bias: Tensor | None) -> Tensor | None:
    return None if bias is None else bias.to(q.device, torch.float32)


def fetch(asking: FetchingQueries, k: Tensor) -> FetchedKeys | None:
    """What these queries fetch; None if there is nothing to fetch."""
    middle, rule = asking.middle, asking.rule
    if middle.start >= middle.stop:
        return None
    i, last = sent(asking.i, asking.q.device), rule.middle.last(asking.i)
    found = sent(CHOICES[type(rule.choice)](asking, rule.choice, k[:, middle]), i.device) + middle.start
    if rule.always:
        found = torch.cat((torch.arange(rule.always, device=found.device)[None], found), dim=1)
    count = found.shape[1]
    if rule.distance is None:  # in order, the last of them right before the end of the middle
        distance = i[:, None] - (middle.stop - count + torch.arange(count, device=i.device))
    else:
        distance = torch.full((1, 1), rule.distance, device=i.device).expand(len(i), count)
    hidden = None if last[0] == last[-1] else found[:, None] >= sent(last, i.device)[:, None]
    return FetchedKeys(replace(asking, scores=None), found, distance, hidden)  # which are large, and not asked again


def best_keys(asking: FetchingQueries, choice: BestKeys, k: Tensor) -> Tensor:
    """`BestKeys` among the keys `k` of the middle -> (head, count) indices."""
    if asking.scores is None:
        return best(key_scores([asking], k)[0], choice.count)
    middle = asking.middle
    return best(asking.scores[:, middle.start - asking.scored : middle.stop - asking.scored], choice.count)


def key_scores(blocks: list[FetchingQueries], k: Tensor) -> list[Tensor]:
    """How well each of the keys `k` suits the mean of each block of queries -> (head, key) for each block. Made at
    once, since keys of a long text have to come from memory, which takes longer than to multiply them."""
    means = torch.stack([asking.at_distance.mean(1) for asking in blocks], 1).to(k.device)  # (head, block, channel)
    scores = means.reshape(len(k), -1, k.shape[-1]) @ k.mT
    return list(scores.reshape(len(means), len(blocks), -1).unbind(1))


def best_blocks(asking: FetchingQueries, choice: BestBlocks, k: Tensor) -> Tensor:
    """`BestBlocks` among the blocks that are the middle -> (1, count * size) indices."""
    blocks = torch.arange(k.shape[1] // choice.size, device=asking.q.device)
    if len(blocks) > choice.count:
        assert asking.memory is not None
        blocks = best(asking.memory.scores(asking.at_distance)[None], choice.count)[0].sort().values
    return (blocks[:, None] * choice.size + torch.arange(choice.size, device=blocks.device)).reshape(1, -1)


def best_spans(asking: FetchingQueries, choice: BestSpans, k: Tensor) -> Tensor:
    """`BestSpans` among the keys `k` of the middle -> (1, count) indices, ascending."""
    n = k.shape[1]
    counts = torch.zeros(n, dtype=torch.int64, device=k.device)
    rows = asking.q.to(k.device).reshape(len(k), -1, k.shape[-1])  # heads that share keys, as queries of one head
    for head, queries in enumerate(rows):
        for part in queries.split(max(1, BUDGET // n)):
            picked = best(part @ k[head].mT, choice.count).flatten()
            counts.index_add_(0, picked, torch.ones_like(picked))
    hits = counts.nonzero()[:, 0]
    if len(hits) > choice.most:
        hits = hits[counts[hits].argsort(descending=True, stable=True)[: choice.most]]
    around = choice.offsets
    offsets = torch.arange(around.start, around.stop, device=k.device)
    return (hits[:, None] + offsets).clamp(0, n - 1).unique()[None]


def best(scores: Tensor, count: int) -> Tensor:
    """Indices of the `count` highest `scores` (row, key), or of all; of equal ones the earlier, since tokens that occur
    again have the same key in a first layer -> (row, count)."""
    if count >= scores.shape[1]:
        return torch.arange(scores.shape[1], device=scores.device).expand(scores.shape)
    values, indices = scores.topk(count + 1, dim=-1)
    tied = values[:, -2] == values[:, -1]
    indices = indices[:, :-1]
    if bool(tied.any()):
        indices[tied] = scores[tied].sort(dim=-1, descending=True, stable=True).indices[:, :count]
    return indices


CHOICES: dict[type, Callable[..., Tensor]] = {
    BestKeys: best_keys, BestBlocks: best_blocks, BestSpans: best_spans
}  # fmt: skip
"""How each kind of choice is made: queries, the choice and the keys of the middle -> indices of what is fetched."""


@dataclass(frozen=True)
class FetchingRow:
    """One row of a batch in one layer that fetches; `memories` holds what is remembered of it under `name`."""

    rule: Retrieval
    hearing: Hearing
    sinks: Tensor | None
    memories: dict[tuple[int, int], BlockMemory]
    name: tuple[int, int]

    def read(
        self, q: Tensor, k: Tensor, v: Tensor, i: Tensor, out: Tensor, lse: Tensor
    ) -> list[tuple[slice, FetchedKeys]]:
        """Fetch for consecutive queries at `i`, block by block, and add what was fetched to what they saw: `out` (head,
        query, channel) and `lse` (head, query) are changed. Which queries fetched what comes back."""
        fetched = []
        for rows, asking in self._asking(q, k, i):
            if (memory := asking.memory) is not None:
                memory.form(asking.middle.stop, k)
            if (found := fetch(asking, k)) is not None:
                parts = [(out[:, rows], lse[:, rows]), found.attend(k, v)]
                out[:, rows], lse[:, rows] = merge(parts)
                fetched.append((rows, found))
            if memory is not None:
                total = (
                    lse[:, rows] if self.sinks is None else torch.logaddexp(lse[:, rows], self.sinks.to(lse)[:, None])
                )
                memory.note(asking.q, k, asking.i, total, self.hearing)
        return fetched

    def _asking(self, q: Tensor, k: Tensor, i: Tensor) -> Iterator[tuple[slice, FetchingQueries]]:
        """The blocks of queries that fetch together, in order, with the scores that need nothing of earlier blocks."""
        whole = FetchingQueries.of(q, i, self.rule, self.hearing, self._memory(q))
        blocks = [(rows, whole.part(rows)) for rows in self._blocks(i)]
        if len(blocks) == 1 or not isinstance(self.rule.choice, BestKeys):
            yield from blocks
            return
        size = max(1, BUDGET // (len(q) * k.shape[1]))
        for some in (blocks[start : start + size] for start in range(0, len(blocks), size)):
            begin, end = some[0][1].middle.start, some[-1][1].middle.stop
            scores = key_scores([asking for _, asking in some], k[:, begin:end])
            for (rows, asking), each in zip(some, scores, strict=True):
                yield rows, replace(asking, scores=each, scored=begin)

    def _blocks(self, i: Tensor) -> list[slice]:
        """Those of the queries at `i` that fetch, in blocks that fetch together."""
        if self.rule.queries == LAST:
            return [slice(len(i) - 1, len(i))]
        ends = torch.unique_consecutive(self.rule.begin(i), return_counts=True)[1].cumsum(0).tolist()
        return [slice(start, end) for start, end in pairwise([0, *ends])]

    def _memory(self, q: Tensor) -> BlockMemory | None:
        choice = self.rule.choice
        if not isinstance(choice, BestBlocks):
            return None
        if self.name not in self.memories:
            begin = int(self.rule.middle.first(torch.tensor([0])))
            self.memories[self.name] = BlockMemory.new(choice, begin, q)
        return self.memories[self.name]
