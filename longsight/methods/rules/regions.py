"""From the tree of a rule to disjoint bands.

A condition compares a function of the query with a function of the key, both of which never fall. So it holds from some
key on, or up to one, and that key moves forward with the query: a `Bound`. What a piece serves is its own bounds and,
of the pieces before it, the opposite of one bound each; such a conjunction is a `Region`, one interval of keys, and
becomes one band. Regions of one piece are disjoint: not (A and B) is taken as not A, or A and not B.
"""

from collections import Counter
from dataclasses import dataclass, field, replace
from functools import reduce
from operator import and_
from typing import Any

import torch
from torch import Tensor

from longsight.methods.bands import Band, Span, after, beyond, causal, recent, starting
from longsight.methods.base import LARGEST
from longsight.methods.rules.bounds import NEVER, Bound, alike, bounds, chunk, first_below, first_position
from longsight.methods.rules.sums import Terms, negative, position_map, taken_apart
from longsight.methods.rules.tree import Rule

MOST_REGIONS, MOST_MIXED = 16, 6


@dataclass(frozen=True)
class Region:
    """Pairs with each of d, j and i in a range [first, end), and between `mixed` bounds of other kinds: for each pair
    of sums the largest constant that is a least one, and the smallest that is not."""

    d: tuple[int, int] = (0, NEVER)
    j: tuple[int, int] = (0, NEVER)
    i: tuple[int, int] = (0, NEVER)
    mixed: dict[tuple[Terms, Terms], tuple[int | None, int | None]] = field(default_factory=dict)

    @property
    def empty(self) -> bool:
        """Whether no pair can lie in it; provably so."""
        ranges = self.d, self.j, self.i
        crossed = any(a is not None and b is not None and a >= b for a, b in self.mixed.values())
        before, behind = self.i[1] <= self.j[0] + self.d[0], self.i[0] > self.j[1] - 1 + self.d[1] - 1
        return crossed or before or behind or any(first >= min(end, NEVER) for first, end in ranges)

    def __and__(self, bound: Bound) -> "Region":
        kinds = _kind(bound.of_query), _kind(bound.of_key)
        if kinds == ("nothing", "nothing"):
            return self if (bound.constant <= 0) == bound.least else replace(self, d=(0, 0))
        if kinds[0] == "nothing":
            return self.limited("j", first_position(bound.of_key, bound.constant), bound.least)
        if kinds[1] == "nothing":
            return self.limited("i", first_position(bound.of_query, 1 - bound.constant), not bound.least)
        if kinds == ("position", "position"):
            return self.limited("d", 1 - bound.constant, not bound.least)
        return self.between(bound)

    def limited(self, name: str, at: int, least: bool) -> "Region":
        """With d, j or i at least `at`, or less than it."""
        first, end = getattr(self, name)
        changed: Any = {name: (max(first, at), end) if least else (first, min(end, at))}
        return replace(self, **changed)

    def between(self, bound: Bound) -> "Region":
        sums, constant = (bound.of_key, bound.of_query), bound.constant
        region = self
        if alike(bound) and constant > 0:  # a key of the past is never beyond what the query's own position gives
            return replace(self, d=(0, 0)) if bound.least else self
        if (size := chunk(sums)) and alike(bound):  # so many chunks before the query's own: d is limited as well
            region = self.limited("d", size * (1 - constant) if bound.least else 1 - size * constant, not bound.least)
        least, most = self.mixed.get(sums, (None, None))
        if bound.least:
            least = constant if least is None else max(least, constant)
        else:
            most = constant if most is None else min(most, constant)
        return replace(region, mixed={**self.mixed, sums: (least, most)})

    def span(self) -> Span:
        spans = [recent(self.d[1]) if self.d[1] <= LARGEST else causal()]
        if self.d[0] > 0:
            spans.append(beyond(self.d[0]))
        if self.j[1] <= LARGEST:
            spans.append(starting(self.j[1]))
        if self.j[0] > 0:
            spans.append(after(self.j[0]))
        if self.i != (0, NEVER):
            spans.append(_queries(*self.i))
        for sums, (least, most) in self.mixed.items():
            if least is not None:
                spans.append(Span(_Edge(*sums, least), lambda i: i + 1))
            if most is not None:
                spans.append(Span(torch.zeros_like, _Edge(*sums, most)))
        return reduce(and_, spans)


def _kind(terms: Terms) -> str:
    if not terms:
        return "nothing"
    [(leaf, by), *more] = terms
    return "position" if not more and not leaf.parts and by == 1 else "other"


def _queries(first: int, end: int) -> Span:
    """All keys, for queries `first <= i < end` alone."""
    return Span(lambda i: torch.where(i < end, 0, i + 1), lambda i: torch.where(i < first, 0, i + 1))


@dataclass(frozen=True)
class _Edge:
    """The first key, for each query, whose sum is at least that of the query and a constant; at most i + 1."""

    of_key: Terms
    of_query: Terms
    constant: int

    def __call__(self, i: Tensor) -> Tensor:
        if size := chunk((self.of_key, self.of_query)):
            return torch.minimum(((i // size + self.constant) * size).clamp(min=0), i + 1)
        wanted, key = position_map(self.of_query, self.constant)(i), position_map(self.of_key, 0)
        if i.numel() == 1:  # a token that is written: numbers are faster than tensors of one
            return torch.full_like(i, first_below(self.of_key, int(wanted), int(i) + 1))
        low, high = torch.full_like(i, -1), i + 1
        for _ in range(int(high.max()).bit_length() + 1 if len(i.reshape(-1)) else 0):
            middle = (low + high) // 2
            enough = (key(middle.clamp(min=0)) >= wanted) | (high - low < 2)
            low, high = torch.where(enough, low, middle), torch.where(enough & (high - low > 1), middle, high)
        return high


@dataclass(frozen=True)
class RuleBands:
    """The bands of a rule, and whether it hides any pair of the past."""

    bands: tuple[Band, ...]
    hides: bool


def rule_bands(rule: Rule) -> RuleBands:
    """Raises `LongSightError` where a condition or a distance cannot be one of bands, or where they are too many."""
    free, bands, names = [Region()], [], Counter[str]()
    for piece in rule.pieces:
        asked = [bound for comparison in piece.comparisons for bound in bounds(rule.source, comparison)]
        told = taken_apart(rule.source, piece.distance, "a distance must be a function of i minus a function of j")
        positions = position_map(told.of_query, told.constant), position_map(negative(told.of_key), 0)
        served = [mine for region in free if not (mine := reduce(and_, asked, region)).empty]
        free = [rest for region in free for rest in _without(region, asked)]
        for region in served:
            names[piece.name] += 1
            name = piece.name if names[piece.name] == 1 else f"{piece.name} ({names[piece.name]})"
            bands.append(Band(name, region.span(), *positions))
        if max(len(free), len(bands)) > MOST_REGIONS or any(len(region.mixed) > MOST_MIXED for region in served):
            raise rule.source.refuse(
                piece.place,
                f"with this piece the rule falls into more than {MOST_REGIONS} bands, or a band is bounded by more "
                f"than {MOST_MIXED} comparisons of i with j; write fewer",
            )
    return RuleBands(tuple(bands), bool(free))


def _without(region: Region, asked: list[Bound]) -> list[Region]:
    """What of a region does not meet all of the bounds, in disjoint parts."""
    parts = []
    for bound in asked:
        parts.append(region & bound.opposite)
        region = region & bound
    return [part for part in parts if not part.empty]
