"""Bands: the form of a method that attention can be computed from quickly.

In every method of this project a query sees, under one rule of distance, one *interval* of keys, and both ends of that
interval only ever move forward as the query moves forward. A `Span` is such a pair of ends. Because the ends are
monotone, a block of queries needs no mask to know which keys it can see (from the first end of its first query to the
last end of its last one), and which keys all of its queries see.

What the KV cache may let go of does not follow from a few values of the ends: a span declares it, as a `Footprint`.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, reduce
from operator import or_
from typing import NamedTuple

import torch
from torch import Tensor

PositionMap = Callable[[Tensor], Tensor]


class Footprint(NamedTuple):
    """All that queries may ever need of a text: its first `starting` keys, and of the others only those with
    `i - j < window` for query `i` (None: any). The cache lets go of everything else."""

    starting: int
    window: int | None

    def __and__(self, other: "Footprint") -> "Footprint":
        """For what lies in both of two spans: either footprint is enough, and the smaller one is taken."""
        return min(self, other, key=lambda each: (math.inf if each.window is None else each.window, each.starting))

    def __or__(self, other: "Footprint") -> "Footprint":
        """For what lies in one of two spans."""
        if self.window is None or other.window is None:
            return EVERYTHING
        return Footprint(max(self.starting, other.starting), max(self.window, other.window))


EVERYTHING = Footprint(0, None)
ONE_SLOT = Footprint(0, 1)
"""The least that a cache can hold: the latest key."""


@dataclass(frozen=True)
class Span:
    """Keys `first(i) <= j < last(i)` for query `i` (none when `first >= last`); both ends never fall as `i` grows, and
    `last(i) <= i + 1`. A `cache_footprint` that is left out lets go of nothing."""

    first: PositionMap
    last: PositionMap
    cache_footprint: Footprint = EVERYTHING

    def __call__(self, i: Tensor, j: Tensor) -> Tensor:
        """Whether query `i` sees key `j` (int64 tensors, broadcast) -> bool."""
        return (j >= self.first(i)) & (j < self.last(i))

    def __and__(self, other: "Span") -> "Span":
        return Span(
            lambda i: torch.maximum(self.first(i), other.first(i)),
            lambda i: torch.minimum(self.last(i), other.last(i)),
            self.cache_footprint & other.cache_footprint,
        )


def causal() -> Span:
    """`j <= i`."""
    return Span(torch.zeros_like, lambda i: i + 1)


def recent(window: int) -> Span:
    """`i - j < window`: the `window` most recent keys, the query's own included."""
    return Span(lambda i: (i - window + 1).clamp(min=0), lambda i: i + 1, Footprint(0, window))


def beyond(window: int) -> Span:
    """`i - j >= window`: what `recent(window)` leaves out."""
    return Span(torch.zeros_like, lambda i: (i - window + 1).clamp(min=0))


def starting(count: int) -> Span:
    """`j < count`: the first `count` tokens of the text, on which many models park attention (attention sinks)."""
    return Span(torch.zeros_like, lambda i: (i + 1).clamp(max=count), Footprint(count, 0))


def after(count: int) -> Span:
    """`j >= count`: what `starting(count)` leaves out."""
    return Span(lambda i: torch.full_like(i, count), lambda i: i + 1)


def unchanged(position: Tensor) -> Tensor:
    """The true position."""
    return position


@cache
def at(position: int) -> PositionMap:
    """The same position for every token; the very map each time, so that one can ask whether a map `is at(0)`."""
    return lambda positions: torch.full_like(positions, position)


@dataclass(frozen=True)
class Band:
    """Keys that one rule of distance serves: inside it the logit is that of a query rotated to `q_position(i)` and a
    key rotated to `k_position(j)`, so the effective distance is their difference. Where a method tells groups of
    frequencies apart, a position may have one value for each: (group, ...)."""

    name: str
    span: Span
    q_position: PositionMap = unchanged
    k_position: PositionMap = unchanged

    def visible(self, i: Tensor, j: Tensor) -> Tensor:
        return self.span(i, j)

    def distance(self, i: Tensor, j: Tensor) -> Tensor:
        return self.q_position(i) - self.k_position(j)


def cache_footprint(bands: tuple[Band, ...]) -> Footprint:
    """What a layer's cache must hold so that no band of a method ever misses a key."""
    return reduce(or_, (band.span.cache_footprint for band in bands), ONE_SLOT)
