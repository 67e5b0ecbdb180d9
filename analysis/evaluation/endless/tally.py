"""What is measured along a long text, in stretches that grow with the position: of any length it stays a short list."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

EDGES = [digit * 10**power for power in range(2, 13) for digit in (1, 2, 5)]
"""Positions at which a stretch ends: 100, 200, 500, 1,000 ..."""

LAP_SHARE = 100
"""Where a lap of the texts ends, so does a stretch, if it is a hundredth of the position long or longer."""


@dataclass
class Stretch:
    """Tokens at positions `begin` to `end - 1`, of the lap `lap` or those up to it.

    `known` of them were predicted; `nll` [nats], `seconds` and `processor` [seconds of its time]: sums for each run;
    `resident` [bytes]: the memory held at the end.
    """

    begin: int
    end: int
    lap: int
    known: int
    nll: list[float]
    seconds: list[float]
    processor: list[float]
    resident: int = 0


def add(
    stretches: list[Stretch], lap: int, nll: np.ndarray, seconds: np.ndarray, processor: np.ndarray, resident: int
) -> None:
    """Go on with what was measured of the next tokens, all of one lap: `nll` (run, token) [nats], NaN where nothing
    was predicted, and the `seconds` (run,) that all of them took, also of the `processor`."""
    start = stretches[-1].end if stretches else 0
    for first, last in _parts(start, start + nll.shape[1]):
        part = nll[:, first - start : last - start]
        share = (last - first) / nll.shape[1]
        if not stretches or _over(stretches[-1], lap):
            none = [0.0] * len(nll)
            stretches.append(Stretch(first, first, lap, 0, none, none, none))
        here = stretches[-1]
        here.end, here.lap, here.resident = last, lap, resident
        here.known += int(np.isfinite(part[0]).sum())
        here.nll = np.add(here.nll, np.nansum(part, axis=1, dtype=np.float64)).tolist()
        here.seconds = np.add(here.seconds, seconds * share).tolist()
        here.processor = np.add(here.processor, processor * share).tolist()


def _parts(start: int, end: int) -> Iterator[tuple[int, int]]:
    """From one edge to the next."""
    cuts = [start, *EDGES[bisect_right(EDGES, start) : bisect_left(EDGES, end)], end]
    yield from pairwise(cuts)


def _over(stretch: Stretch, lap: int) -> bool:
    """Whether what comes next, of this `lap`, is another stretch."""
    at = bisect_left(EDGES, stretch.end)
    on_edge = at < len(EDGES) and EDGES[at] == stretch.end
    return on_edge or (lap != stretch.lap and (stretch.end - stretch.begin) * LAP_SHARE >= stretch.end)
