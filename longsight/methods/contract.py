"""What a method promises about its bands, looked at before it is used: attention and the KV cache build on it.

The looks are cheap, a spread of positions and not all of them; the tests of the methods look at whole grids.
"""

from collections.abc import Sequence
from functools import cache, lru_cache

import torch
from torch import Tensor

from longsight.errors import LongSightError
from longsight.methods.bands import Band
from longsight.methods.base import LARGEST, Method

DENSE = 256
"""Up to here every position is looked at."""
PAIRS = 128
"""Of how many queries, and keys, each pair is looked at."""


@lru_cache(maxsize=1024)
def check_contract(method: Method) -> None:
    """Raise LongSightError for a method whose bands move back, show the future, need keys that they declare as done
    with, or do not say what `visible` and `distance` say."""
    for band in method.bands:
        _check_ends(method, band)
        _check_footprint(method, band)
    _check_law(method)


@cache
def _positions() -> Tensor:
    """Ascending positions: the first ones, powers of two and their neighbours, and random ones, all at most LARGEST."""
    powers = 2 ** torch.arange(LARGEST.bit_length())
    steps = torch.rand(128, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    spread = 2 ** (steps * (LARGEST.bit_length() - 1))
    return torch.cat((torch.arange(DENSE), powers - 1, powers, powers + 1, spread.long())).unique().clamp(max=LARGEST)


def _check_ends(method: Method, band: Band) -> None:
    i = _positions()
    for name, end in (("first", band.span.first(i)), ("last", band.span.last(i))):
        if (back := (end.diff() < 0).nonzero()).numel():
            n = int(back[0])
            raise LongSightError(
                f"{method.title}: {name} of its band {band.name!r} falls from {int(end[n]):,} to {int(end[n + 1]):,} "
                f"between the queries {int(i[n]):,} and {int(i[n + 1]):,}; the ends of a span may only move forward."
            )
    if (future := (band.span.last(i) > i + 1).nonzero()).numel():
        query = int(i[future[0]])
        raise LongSightError(
            f"{method.title}: its band {band.name!r} shows the query {query:,} keys of its future; "
            "the last end of a span is at most the query's position + 1."
        )


def _check_footprint(method: Method, band: Band) -> None:
    starting, window = band.span.cache_footprint
    if window is None:
        return
    i = _before_edges(band)
    oldest, latest = band.span.first(i).clamp(min=starting), torch.minimum(band.span.last(i) - 1, i - window)
    if (lost := (oldest <= latest).nonzero()).numel():
        query, key = int(i[lost[0]]), int(oldest[lost[0]])
        raise LongSightError(
            f"{method.title}: its band {band.name!r} declares that only the first {starting:,} keys of a text and the "
            f"{window:,} most recent ones are needed, but the query {query:,} sees the key {key:,}, {query - key:,} "
            f"tokens before it; declare a cache_footprint that holds it, or none."
        )


def _before_edges(band: Band) -> Tensor:
    """For each position looked at, the last query whose first key is the same: none is farther from its oldest key.

    Found by bisection, so the edge of a chunk is met however large the chunks are.
    """
    low = _positions()
    first, high = band.span.first(low), torch.cat((low[1:], low[-1:] + 1))
    while bool((high - low > 1).any()):
        middle = (low + high) // 2
        same = band.span.first(middle) == first
        low, high = torch.where(same, middle, low), torch.where(same, high, middle)
    return low


def _check_law(method: Method) -> None:
    """`bands` against `visible` and `distance`, on pairs of positions."""
    spread = _positions()
    spread = torch.cat((spread[: PAIRS // 2], spread[:: len(spread) // (PAIRS // 2)])).unique()
    i, j = spread[:, None], spread[None, :]
    if (pairs := contradicted(method.bands, i, j, method.visible(i, j), method.distance(i, j))).numel():
        query, key = (int(spread[n]) for n in pairs[0])
        raise LongSightError(
            f"{method.title}: its bands do not say what its visible and distance say, for one of the query {query:,} "
            f"and the key {key:,}; together they must show every visible key once, at the same distance."
        )


def contradicted(bands: Sequence[Band], i: Tensor, j: Tensor, visible: Tensor, told: Tensor) -> Tensor:
    """The pairs (n, 2), as places in queries `i` and keys `j`, that `bands` do not show once each where they are
    `visible` (query, key), at the distance that is `told` (query, key), or (group, query, key)."""
    wrong = sum(band.visible(i, j).long() for band in bands) != visible.long()
    for band in bands:
        differs = (band.distance(i, j) - told).abs() > 1e-6 + 1e-9 * i
        wrong = wrong | band.visible(i, j) & differs.reshape(-1, *differs.shape[-2:]).any(0)
    return wrong.nonzero()
