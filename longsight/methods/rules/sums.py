"""Numbers of a rule taken apart: a function of the query plus a function of the key plus a constant."""

from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

import torch
from torch import Tensor

from longsight.methods.bands import PositionMap, at, unchanged
from longsight.methods.rules.law import value
from longsight.methods.rules.tree import MOST, MOST_FRACTIONAL, Expr, Source, magnitude

Terms = tuple[tuple[Expr, int | Fraction], ...]
"""Functions of one position alone, each with the factor that it is taken times."""


@dataclass(frozen=True)
class Sum:
    """`of_query` + `of_key` + `constant`."""

    of_query: Terms
    of_key: Terms
    constant: int | Fraction


def taken_apart(source: Source, expr: Expr, wanted: str) -> Sum:
    """Raises `LongSightError` where i and j cannot be parted as `wanted`, or where a part could grow too large."""
    found = _parts(source, expr, 1, wanted)
    terms: dict[str, dict[Expr, int | Fraction]] = {"i": {}, "j": {}}
    constant: int | Fraction = 0
    for leaf, factor in found:
        if leaf.op == "number":
            constant += leaf.number * factor
        else:
            [read] = leaf.reads
            terms[read][leaf] = terms[read].get(leaf, 0) + factor
    of_query, of_key = (tuple((leaf, by) for leaf, by in terms[read].items() if by) for read in "ij")
    largest = magnitude(constant) + sum(magnitude(by) * leaf.largest for leaf, by in (*of_query, *of_key))
    if largest > (MOST if expr.whole else MOST_FRACTIONAL):
        raise source.refuse(
            expr.place, f"its parts can grow to {float(largest):.2g}, more than is computed exactly here"
        )
    return Sum(of_query, of_key, constant)


def _parts(source: Source, expr: Expr, by: int | Fraction, wanted: str) -> list[tuple[Expr, int | Fraction]]:
    """Numbers and functions of one position that an expression is the sum of, `by` times."""
    if expr.op == "d":
        one = {name: Expr(name, high=expr.high, reads=frozenset(name)) for name in "ij"}
        return [(one["i"], by), (one["j"], -by)]
    if not expr.parts:
        return [(expr, by)]
    first, last = expr.parts[0], expr.parts[-1]
    if expr.op in ("+", "-"):
        return _parts(source, first, by, wanted) + _parts(source, last, by if expr.op == "+" else -by, wanted)
    if expr.op == "negative":
        return _parts(source, first, -by, wanted)
    if expr.op == "*":
        factor, other = (first, last) if first.op == "number" else (last, first)
        return _parts(source, other, by * factor.number, wanted)
    if expr.op == "/":
        return _parts(source, first, Fraction(by) / last.number, wanted)
    if len(expr.reads) > 1:
        raise source.refuse(expr.place, _parted(source, expr, wanted))
    return [(expr, by)]


def _parted(source: Source, expr: Expr, wanted: str) -> str:
    """Why i and j must be parted, and how that is written."""
    told = [source.quoted(part.place) for part in expr.parts]
    if expr.op in ("min", "max"):
        mixed, other = (told[0], told[-1]) if len(expr.parts[0].reads) > 1 else (told[-1], told[0])
        first, last = (mixed, other) if expr.op == "min" else (other, mixed)
        pieces = f"`{mixed} < {other}: {first}; else: {last}`"
        return f"{expr.op} takes numbers that hang on i alone or on j alone; write pieces, as in {pieces}"
    by = told[1]
    return f"{wanted}; `i {expr.op} {by} - j {expr.op} {by}` is fine"


def negative(terms: Terms) -> Terms:
    return tuple((leaf, -by) for leaf, by in terms)


@lru_cache(maxsize=1024)
def position_map(terms: Terms, constant: int | Fraction) -> PositionMap:
    """The sum of `terms` and a constant, as a function of the one position that they hang on; equal sums are the very
    same map, so that one copy of turned keys serves them all."""
    if not terms:
        told = constant
        return at(told) if isinstance(told, int) else lambda x: torch.full_like(x, float(told), dtype=torch.float64)
    if constant == 0 and len(terms) == 1 and not terms[0][0].parts and terms[0][1] == 1:
        return unchanged

    def mapped(x: Tensor) -> Tensor:
        return sum((_times(torch.as_tensor(value(leaf, x, x)), by) for leaf, by in terms), start=_scalar(constant))

    return mapped


def _scalar(x: int | Fraction) -> Tensor:
    return torch.tensor(x) if isinstance(x, int) else torch.tensor(float(x), dtype=torch.float64)


def _times(x: Tensor, by: int | Fraction) -> Tensor:
    if isinstance(by, int):
        return x if by == 1 else x * by
    return x.double() / by.denominator if by.numerator == 1 and by.denominator < MOST_FRACTIONAL else x * _scalar(by)
