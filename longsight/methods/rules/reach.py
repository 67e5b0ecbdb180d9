"""How far a rule's distances stay those of training: searched for, since no formula fits every rule."""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from longsight.methods.bands import Band
from longsight.methods.base import LARGEST
from longsight.methods.rules.tree import Expr, Rule

DENSE = 2**14
"""Texts of up to so many tokens are looked at one by one; longer ones at each doubling, and by bisection between."""
BLOCK = 2**12
BARELY = 1e-6
"""What fractions may be off by [tokens]."""


def familiar_length(rule: Rule, bands: Sequence[Band], train_length: int) -> int | None:
    """The longest text [tokens] whose distances all are below `train_length`; None when there is no limit.

    The trained length itself counts as familiar where it is the ceiling that stands for all longer distances: no key of
    the band is ever told as farther, and it is told for longer ones. Of every interval of keys its ends are looked at,
    and the edges of the groups that the rule counts in: distances are largest there. Exact for texts up to `DENSE`, and
    for any where the largest distance of a query only rises with the query.
    """
    sizes = tuple(sorted({size for piece in rule.pieces for size in _group_sizes(piece.distance)}))
    found = [_reach_of(band, sizes, rule.longest or LARGEST, train_length) for band in bands]
    return min((tokens for tokens in found if tokens is not None), default=rule.longest)


def _reach_of(band: Band, sizes: Sequence[int], limit: int, train_length: int) -> int | None:
    """The same for one band; None where it tells familiar distances only."""
    far = _first_query(band, sizes, limit, train_length - BARELY)
    if far is None or _first_query(band, sizes, limit, train_length + BARELY) is not None:
        return far
    several = torch.cat([torch.arange(far, min(far + BLOCK, limit)), *_probes(far, limit)])
    told, d = _told(band, sizes, several)
    return None if bool(((told >= train_length - BARELY) & (d > train_length)).any()) else far


def _group_sizes(expr: Expr) -> Iterator[int]:
    """The constants that a distance divides by."""
    if expr.op in ("//", "%"):
        yield int(expr.parts[1].number)
    for part in expr.parts:
        yield from _group_sizes(part)


def _probes(start: int, limit: int) -> list[Tensor]:
    """Positions from `start` on, at each doubling and half-way between."""
    found = {p for e in range(LARGEST.bit_length()) for p in (2**e, 3 * 2**e // 2)} | {limit - 1}
    return [torch.tensor([p]) for p in sorted(found) if start <= p < limit]


def _first_query(band: Band, sizes: Sequence[int], limit: int, least: float) -> int | None:
    """The first query that is told a distance of at least so much."""

    def far(i: Tensor) -> Tensor:
        return (_told(band, sizes, i)[0] >= least).any(0)

    for start in range(0, min(DENSE, limit), BLOCK):
        i = torch.arange(start, min(start + BLOCK, limit))
        if (found := far(i).nonzero()).numel():
            return int(i[found[0]])
    before = DENSE - 1
    for probe in _probes(DENSE, limit):
        if bool(far(probe)):
            low, high = before, int(probe)
            while high - low > 1:
                middle = (low + high) // 2
                low, high = (low, middle) if bool(far(torch.tensor([middle]))) else (middle, high)
            return high
        before = int(probe)
    return None


def _told(band: Band, sizes: Sequence[int], i: Tensor) -> tuple[Tensor, Tensor]:
    """Distances told and true ones (key, query) at the keys of a band where they may be largest; -1: no key."""
    first, last = band.span.first(i), band.span.last(i) - 1
    keys = [first, last]
    for size in sizes:
        up, down = -(-first // size) * size, last // size * size
        keys += [up, up - 1, down, down - 1]
    key = torch.stack(keys)
    seen = (first <= key) & (key <= last)
    key = torch.where(seen, key, 0)
    return torch.where(seen, band.distance(i, key).double(), -1.0), torch.where(seen, i - key, -1)
