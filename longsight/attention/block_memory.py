"""What a layer remembers of a text that is fetched in blocks: which tokens stand for each (InfLLM, section 3.2)."""

from collections.abc import Hashable
from copy import copy
from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from torch import Tensor

from longsight.attention.encoding import Encoding, Table, rotate
from longsight.attention.transfer import sent
from longsight.methods.fetching import BestBlocks, Retrieval

AT_ONCE = 2**22
"""Logits that are held at a time: 16 MiB."""


class Near(NamedTuple):
    """Queries and the keys that are recent to them: their rotations, who is `seen` by whom (query, key: 1 or 0), and
    their `bias` (head, query, key)."""

    q_table: Table | None
    k_table: Table | None
    seen: Tensor
    bias: Tensor | None


@dataclass(frozen=True)
class KnownPositions:
    """What blocks and layers that are alike share, since only where queries and keys stand to each other counts."""

    near: dict[Hashable, Near] = field(default_factory=dict)
    tables: dict[Hashable, Table | None] = field(default_factory=dict)


@dataclass(frozen=True)
class Hearing:
    """How a layer hears positions, and what follows from it for queries and the keys that they fetch or have seen."""

    encoding: Encoding
    scaling: float
    softcap: float | None
    known: KnownPositions = field(default_factory=KnownPositions)

    def turned(self, q: Tensor, distance: int) -> Tensor:
        """Queries (head, query, channel), rotated to `distance` from keys that are not."""
        name = (self.encoding, distance, q.dtype, q.device)
        if name not in self.known.tables:
            self.known.tables[name] = self.encoding.table(torch.tensor([distance]), q)
        return rotate(q[None], self.known.tables[name], self.encoding.interleaved)[0]

    def near(self, queries: int, before: int, window: int, like: Tensor) -> Near:
        """For so many consecutive queries, and the keys from `before` the first of them to the last."""
        name = (self.encoding, queries, before, window, like.dtype, like.device)
        if name not in self.known.near:
            i, j = torch.arange(queries), torch.arange(-before, queries)
            away = sent(i[:, None] - j, like.device)
            bias = self.encoding.bias(-away.flatten())
            self.known.near[name] = Near(
                self.encoding.table(i, like),
                self.encoding.table(j, like),
                ((away >= 0) & (away < window)).to(torch.promote_types(like.dtype, torch.float32)),
                None if bias is None else bias.unflatten(1, away.shape),
            )
        return self.known.near[name]


@dataclass
class BlockMemory:
    """Of one row of a batch: `blocks` (block, head, channel), the mean of each head's representative keys, unrotated;
    and of the keys from position `first` on, which are in no block yet, the attention that they drew in each head,
    `drawn` (head, key). Both are float32 at least."""

    choice: BestBlocks
    first: int
    blocks: Tensor
    drawn: Tensor

    @staticmethod
    def new(choice: BestBlocks, first: int, q: Tensor) -> "BlockMemory":
        """Nothing yet of a text whose blocks begin at `first`, with queries like `q` (head, query, channel)."""
        exact = torch.promote_types(q.dtype, torch.float32)
        blocks, drawn = (q.new_zeros(shape, dtype=exact) for shape in ((0, len(q), q.shape[2]), (len(q), 0)))
        return BlockMemory(choice, first, blocks, drawn)

    @property
    def nbytes(self) -> int:
        return self.blocks.nbytes + self.drawn.nbytes

    @staticmethod
    def bytes_of(rule: Retrieval, length: int, heads: int, channels: int, itemsize: int = 4) -> int:
        """How many there will be of a text of `length` tokens."""
        if not isinstance(rule.choice, BestBlocks):
            return 0
        last = torch.tensor([length - 1])
        first, end = int(rule.middle.first(last)), int(rule.middle.last(last))
        numbers = (end - first) // rule.choice.size * channels + max(length - end, 0)
        return numbers * heads * itemsize

    def fork(self) -> "BlockMemory":
        """One that goes on by itself. Tensors are replaced and not written to, so that they need no copy."""
        return copy(self)

    def form(self, end: int, k: Tensor) -> None:
        """Make blocks of the keys up to position `end`; `k` (key_head, key, channel) are all keys of the text."""
        count, size = (end - self.first) // self.choice.size, self.choice.size
        if count <= 0:
            return
        drawn = self.drawn[:, : count * size].unflatten(1, (count, size))
        best = drawn.topk(self.choice.representatives, dim=-1).indices.to(k.device)  # (head, block, representative)
        keys = k[:, self.first : self.first + count * size].unflatten(1, (count, size))
        heads = torch.arange(len(best), device=k.device) // (len(best) // len(k))
        picked = keys[heads[:, None, None], torch.arange(count, device=k.device)[:, None], best]
        self.blocks = torch.cat((self.blocks, picked.to(self.blocks).mean(2).transpose(0, 1)))
        self.drawn, self.first = self.drawn[:, count * size :], self.first + count * size

    def scores(self, q: Tensor) -> Tensor:
        """How well each block suits queries (head, query, channel) at the distance of fetched keys -> (block,)."""
        return self.blocks.flatten(1) @ q.to(self.blocks).mean(1).flatten()

    def note(self, q: Tensor, k: Tensor, i: Tensor, lse: Tensor, hearing: "Hearing") -> None:
        """Add the attention of consecutive queries at `i`, on the CPU, to the keys that are recent to them; `lse`
        (head, query) is the log-sum-exp of all that they attended to."""
        start, end = int(i[0]), int(i[-1]) + 1
        grown = end - self.first - self.drawn.shape[1]
        drawn = torch.cat((self.drawn, self.drawn.new_zeros(len(q), grown)), dim=1) if grown > 0 else self.drawn.clone()
        begin = max(self.first, start - self.choice.recently + 1)
        if begin < end:
            near = hearing.near(end - start, start - begin, self.choice.recently, q)
            turned_q, turned_k = (
                rotate(x[None], table, hearing.encoding.interleaved)[0].to(drawn)
                for x, table in ((q, near.q_table), (sent(k[:, begin:end], q.device), near.k_table))
            )
            turned_q, turned_k = turned_q * hearing.scaling, turned_k.repeat_interleave(len(q) // len(k), 0)
            for heads in torch.arange(len(q)).split(max(1, AT_ONCE // near.seen.numel())):
                part = slice(int(heads[0]), int(heads[-1]) + 1)
                logits = turned_q[part] @ turned_k[part].mT
                if hearing.softcap is not None:
                    logits = logits.div_(hearing.softcap).tanh_().mul_(hearing.softcap)
                if near.bias is not None:
                    logits += near.bias[part].to(logits)
                weights = logits.sub_(lse[part, :, None]).clamp_(max=0).exp_().mul_(near.seen)
                drawn[part, begin - self.first :] += weights.sum(1)
        self.drawn = drawn
