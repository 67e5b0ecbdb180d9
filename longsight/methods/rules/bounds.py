"""Conditions of a rule: from which key on, or up to which one, they hold, and that this key only moves forward."""

import math
from dataclasses import dataclass, replace
from functools import lru_cache

from longsight.methods.base import LARGEST
from longsight.methods.rules.law import value
from longsight.methods.rules.sums import Terms, negative, taken_apart
from longsight.methods.rules.tree import Comparison, Expr, Source

NEVER = LARGEST + 1
"""A position that no token has."""


@dataclass(frozen=True)
class Bound:
    """`of_key(j) >= of_query(i) + constant` where `least`, otherwise `<`; both sums never fall, and are whole."""

    of_key: Terms
    of_query: Terms
    constant: int
    least: bool

    @property
    def opposite(self) -> "Bound":
        return replace(self, least=not self.least)


def bounds(source: Source, comparison: Comparison) -> list[Bound]:
    """All that a comparison asks. Raises `LongSightError` on one that is no interval whose ends move forward."""
    difference = Expr("-", (comparison.left, comparison.right), place=comparison.place)
    apart = taken_apart(source, difference, "a condition must compare a function of i with a function of j")
    of_query, of_key, constant, op = apart.of_query, apart.of_key, int(apart.constant), comparison.op
    rises = [_direction(source, comparison, terms) for terms in (of_query, of_key)]
    if rises[0] and rises[0] == rises[1]:
        raise source.refuse(
            comparison.place,
            "the keys for which it holds would end earlier as the query moves on, and what a query sees may only move "
            "forward; compare a function of i with one of j, such as `j < i // 2`",
        )
    if rises[0] < 0 or rises[1] > 0:
        of_query, of_key, constant, op = negative(of_query), negative(of_key), -constant, MIRRORED[op]
    return [_smallest(Bound(negative(of_key), of_query, constant + more, least)) for more, least in ASKED[op]]


MIRRORED = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "==": "=="}
ASKED = {
    "<": ((1, True),), "<=": ((0, True),), ">": ((0, False),), ">=": ((1, False),), "==": ((0, True), (1, False)),
}  # fmt: skip
"""of_query + constant compared with of_key, as bounds: what is added to the constant, and whether it is a least one."""


def _direction(source: Source, comparison: Comparison, terms: Terms) -> int:
    """1 for a sum that never falls, -1 for one that never rises, 0 for no sum at all."""
    signs = {1 if by > 0 else -1 for _, by in terms}
    falls = [source.quoted(leaf.place) for leaf, _ in terms if not rising(leaf)]
    if falls or len(signs) > 1:
        what = f"`{falls[0]}` falls and rises" if falls else "it subtracts one function of a position from another"
        raise source.refuse(
            comparison.place,
            f"{what}, so that no interval of keys that moves forward may follow; conditions are made of `i`, `j`, "
            "`d`, `i // 8`, sums, min and max",
        )
    return next(iter(signs), 0)


def rising(expr: Expr) -> bool:
    """Whether a function of one position never falls, for how it is made."""
    if expr.op in ("%", "negative"):
        return False
    if expr.op == "-":
        return rising(expr.parts[0]) and expr.parts[1].op == "number"
    if expr.op == "*" and min(part.number for part in expr.parts) < 0:
        return False
    return all(map(rising, expr.parts))


def _smallest(bound: Bound) -> Bound:
    """The same bound with factors that have no common divisor."""
    by = math.gcd(*(int(factor) for _, factor in (*bound.of_key, *bound.of_query)))
    if by < 2:
        return bound
    of_key, of_query = (
        tuple((leaf, factor // by) for leaf, factor in terms) for terms in (bound.of_key, bound.of_query)
    )
    return Bound(of_key, of_query, -(-bound.constant // by), bound.least)


def alike(bound: Bound) -> bool:
    """Whether the query's sum is the key's, at the query's position."""
    return {_renamed(leaf): by for leaf, by in bound.of_query} == dict(bound.of_key)


def _renamed(expr: Expr) -> Expr:
    return replace(expr, op="j" if expr.op == "i" else expr.op, parts=tuple(map(_renamed, expr.parts)))


def chunk(sums: tuple[Terms, Terms]) -> int:
    """The size of the chunks that are counted: both sums are `position // size`; otherwise 0."""
    sizes = {int(terms[0][0].parts[1].number) if len(terms) == 1 and _counts(*terms[0]) else 0 for terms in sums}
    return sizes.pop() if len(sizes) == 1 else 0


def _counts(leaf: Expr, by: object) -> bool:
    return by == 1 and leaf.op == "//" and not leaf.parts[0].parts


@lru_cache(maxsize=1024)
def first_position(terms: Terms, least: int) -> int:
    """The first position from which on a sum that never falls is at least so much; NEVER where none is."""
    return first_below(terms, least, NEVER)


def first_below(terms: Terms, least: int, high: int) -> int:
    """The same among positions below `high`; `high` where none is."""
    low = -1
    while high - low > 1:
        middle = (low + high) // 2
        enough = sum(value(leaf, middle, middle) * by for leaf, by in terms) >= least
        low, high = (low, middle) if enough else (middle, high)
    return high
