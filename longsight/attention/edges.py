"""Where a band's keys begin and end for each query of a chunk, and which queries a kernel can serve without a mask.

Both ends only ever move forward, and in nearly every rule they stand still or move on by one key per query. So a chunk
falls into a few runs of queries: under `near` the runs of its triangle and of its window, under `far` those that see
nothing yet and the others.
"""

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from longsight.methods.bands import Span

SHORT = 64
"""Queries: where runs are shorter on average, one masked call of many queries is the better one."""
NARROW = 128
"""Keys: on a CPU, which makes windows of triangles, a masked call of a sliding window below that is the faster one."""
NOTHING, JUMP = -2, -1

Window = tuple[int, int]
"""How many keys to the left and to the right of its own place a query sees, -1: all. The last query's place is the last
key, and those before it stand before that one by one (`varlen_attn`'s `window_size`, aligned at the bottom right)."""


@dataclass(frozen=True)
class Edges:
    """Query r sees the stored keys `first[r]` to before `last[r]`, none where the two meet; (query,) on the CPU."""

    first: Tensor
    last: Tensor

    @classmethod
    def of(cls, span: Span, i: Tensor, j: Tensor) -> "Edges":
        """What queries `i` see of keys at ascending positions `j`."""
        return cls(*torch.searchsorted(j, torch.stack((span.first(i), span.last(i)))).cpu())

    @cached_property
    def starts(self) -> list[int]:
        """The queries with which runs begin: within one, either end stands still or moves on by one key per query."""
        sees = self.first < self.last
        steps = torch.stack((self.first, self.last)).diff()
        even = ((steps == 0) | (steps == 1)).all(0) & sees[1:] & sees[:-1]
        kinds = torch.where(even, 2 * steps[0] + steps[1], JUMP).masked_fill_(~(sees[1:] | sees[:-1]), NOTHING)
        changes = torch.cat((kinds[:1] == JUMP, (kinds[1:] != kinds[:-1]) | (kinds[1:] == JUMP)))
        kinds, found = kinds.tolist(), [0]
        for query in (1 + changes.nonzero()[:, 0]).tolist():
            if kinds[query - 1] == JUMP or query - 1 != found[-1]:  # else it is the second one, which says the kind
                found.append(query)
        return found

    @property
    def need_masks(self) -> bool:
        """Whether there are so many runs that masks are the lesser evil."""
        return len(self.starts) > 3 + len(self.first) // SHORT

    @property
    def narrow(self) -> bool:
        """Whether they are a sliding window of few keys."""
        sees = self.first < self.last
        slides = (self.first.diff() > 0) & sees[1:] & sees[:-1]
        return bool(slides.any()) and int((self.last - self.first).max()) < NARROW

    def seen(self, queries: slice) -> tuple[slice, Window] | None:
        """The keys that these queries, of one run, see, and which of them each does; None: they see nothing."""
        rows = [queries.start, queries.stop - 1]
        (begin, slid), (end, stop) = self.first[rows].tolist(), self.last[rows].tolist()
        if begin >= end:
            return None
        left = stop - begin - (queries.stop - queries.start) if slid > begin else -1
        return slice(begin, stop), (left, 0 if stop > end else -1)
