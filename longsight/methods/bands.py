"""Bands: the form of a method that attention can be computed from quickly.

In every method of this project a query sees, under one rule of distance, one *interval* of keys, and both ends of that
interval only ever move forward as the query moves forward. A `Span` is such a pair of ends. Because the ends are
monotone, a block of queries needs no mask to know which keys it can see (from the first end of its first query to the
last end of its last one), which keys all of its queries see, and which keys no later query will ever see again.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

PositionMap = Callable[[Tensor], Tensor]

NEVER_LEAVES = 2**62
"""A query position beyond every text: spans evaluated here tell what stays visible forever."""


@dataclass(frozen=True)
class Span:
    """Keys `first(i) <= j < last(i)` for query `i` (none when `first >= last`); both ends never fall as `i` grows."""

    first: PositionMap
    last: PositionMap

    def __call__(self, i: Tensor, j: Tensor) -> Tensor:
        """Whether query `i` sees key `j` (int64 tensors, broadcast) -> bool."""
        return (j >= self.first(i)) & (j < self.last(i))

    def __and__(self, other: "Span") -> "Span":
        return Span(
            lambda i: torch.maximum(self.first(i), other.first(i)),
            lambda i: torch.minimum(self.last(i), other.last(i)),
        )


def causal() -> Span:
    """`j <= i`."""
    return Span(torch.zeros_like, lambda i: i + 1)


def recent(window: int) -> Span:
    """`i - j < window`: the `window` most recent keys, the query's own included."""
    return Span(lambda i: (i - window + 1).clamp(min=0), lambda i: i + 1)


def beyond(window: int) -> Span:
    """`i - j >= window`: what `recent(window)` leaves out."""
    return Span(torch.zeros_like, lambda i: (i - window + 1).clamp(min=0))


def starting(count: int) -> Span:
    """`j < count`: the first `count` tokens of the text, on which many models park attention (attention sinks)."""
    return Span(torch.zeros_like, lambda i: (i + 1).clamp(max=count))


def after(count: int) -> Span:
    """`j >= count`: what `starting(count)` leaves out."""
    return Span(lambda i: torch.full_like(i, count), lambda i: i + 1)


def unchanged(position: Tensor) -> Tensor:
    """The true position."""
    return position


def at(position: int) -> PositionMap:
    """The same position for every token."""
    return lambda positions: torch.full_like(positions, position)


@dataclass(frozen=True)
class Band:
    """Keys that one rule of distance serves: inside it the logit is that of a query rotated to `q_position(i)` and a
    key rotated to `k_position(j)`, so the effective distance is their difference."""

    name: str
    span: Span
    q_position: PositionMap = unchanged
    k_position: PositionMap = unchanged

    def visible(self, i: Tensor, j: Tensor) -> Tensor:
        return self.span(i, j)

    def distance(self, i: Tensor, j: Tensor) -> Tensor:
        return self.q_position(i) - self.k_position(j)


def cache_footprint(bands: tuple[Band, ...]) -> tuple[int, int | None]:
    """What a method must remember for ever: `(starting, window)`.

    The first `starting` keys of the text stay visible to every later query, and of the others only the `window` most
    recent ones do (`None`: all of them). This is what the cache keeps; nothing states it a second time.
    """
    far = torch.tensor(NEVER_LEAVES)
    kept, window = 0, 0
    for band in bands:
        first, last = int(band.span.first(far)), int(band.span.last(far))
        if first >= last:
            continue
        if last < NEVER_LEAVES // 2:
            kept = max(kept, last)
        elif first < NEVER_LEAVES // 2:
            return 0, None
        else:
            window = max(window, NEVER_LEAVES - first + 1)
    return kept, window
