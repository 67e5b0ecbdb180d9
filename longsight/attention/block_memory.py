"""What a layer remembers of a text that is fetched in blocks: which tokens stand for each (InfLLM, section 3.2)."""

from copy import copy
from dataclasses import dataclass

import torch
from torch import Tensor

from longsight.attention.encoding import Encoding, rotate
from longsight.attention.transfer import sent
from longsight.methods.fetching import BestBlocks, Retrieval


@dataclass
class BlockMemory:
    """Of one row of a batch: `blocks` (head, block, channel), the mean of each head's representative keys, unrotated;
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
        return BlockMemory(choice, first, *(q.new_zeros(len(q), 0, *more, dtype=exact) for more in (q.shape[2:], ())))

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
        self.blocks = torch.cat((self.blocks, picked.to(self.blocks).mean(2)), dim=1)
        self.drawn, self.first = self.drawn[:, count * size :], self.first + count * size

    def scores(self, q: Tensor) -> Tensor:
        """How well each block suits queries (head, query, channel) at the distance of fetched keys -> (block,)."""
        return torch.einsum("hc,hbc->b", q.to(self.blocks).mean(1), self.blocks)

    def note(
        self, q: Tensor, k: Tensor, i: Tensor, lse: Tensor, encoding: Encoding, scaling: float, softcap: float | None
    ) -> None:
        """Add the attention of consecutive queries at `i`, on the CPU, to the keys that are recent to them; `lse`
        (head, query) is the log-sum-exp of all that they attended to."""
        start, end, window = int(i[0]), int(i[-1]) + 1, self.choice.recently
        grown = end - self.first - self.drawn.shape[1]
        drawn = torch.cat((self.drawn, self.drawn.new_zeros(len(q), grown)), dim=1) if grown > 0 else self.drawn.clone()
        begin = max(self.first, start - window + 1)
        if begin < end:
            i, j = sent(i, q.device), torch.arange(begin, end, device=q.device)
            turned_q, turned_k = (
                rotate(x[None], encoding.table(at - start, x), encoding.interleaved)[0].to(drawn)
                for x, at in ((q, i), (sent(k[:, begin:end], q.device), j))
            )
            away = i[:, None] - j
            seen = ((away >= 0) & (away < window)).to(drawn)
            groups, bias = len(q) // len(k), encoding.bias(-away.flatten())
            for head in range(len(q)):
                logits = turned_q[head] @ turned_k[head // groups].mT * scaling
                if softcap is not None:
                    logits = softcap * (logits / softcap).tanh()
                if bias is not None:
                    logits = logits + bias[head].reshape(logits.shape).to(logits)
                weights = (logits - lse[head, :, None]).clamp_(max=0).exp_()
                drawn[head, begin - self.first :] += (weights * seen).sum(0)
        self.drawn = drawn
