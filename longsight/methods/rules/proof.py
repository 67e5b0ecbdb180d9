"""What is looked at before a rule is used: that its bands say what its text says, and that it makes sense."""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from longsight.errors import LongSightError
from longsight.methods.bands import Band
from longsight.methods.base import LARGEST
from longsight.methods.contract import contradicted
from longsight.methods.rules import law
from longsight.methods.rules.tree import Expr, Rule, magnitude

SMALL = 64
"""Every pair of positions below it is looked at."""
MOST_NUMBERS = 24
"""Around so many numbers of a rule, the largest ones, positions are looked at too."""


def prove(rule: Rule, bands: Sequence[Band]) -> None:
    """Raise `LongSightError` for a rule that leaves a query without its own key, that tells a negative distance, or
    whose bands are not disjoint or say something else than its text.

    Looked at are all pairs of a short text, and those of positions spread over long ones (up to its `longest`), with
    the numbers of the rule and their neighbours among them.
    """
    positions = _positions(rule)
    i, j = positions[:, None], positions[None, :]
    visible, told = law.visible(rule, i, j), law.distance(rule, i, j)
    if (blind := (~visible.diagonal()).nonzero()).numel():
        raise LongSightError(
            f"Composed: the query {int(positions[blind[0]]):,} would not see its own key; let a piece "
            "take d = 0 for every query, such as `d < 1: 0`."
        )
    if (pairs := (visible & (told < 0)).nonzero()).numel():
        query, key = (int(positions[n]) for n in pairs[0])
        raise LongSightError(
            f"Composed: the distance would be {told[tuple(pairs[0])].item():,} for the query {query:,} "
            f"and the key {key:,}; add a constant to it, or let a piece before it take such pairs."
        )
    if (pairs := contradicted(bands, i, j, visible, told)).numel():
        query, key = (int(positions[n]) for n in pairs[0])
        raise LongSightError(
            f"Composed: the bands made of the rule do not say what it says for the query {query:,} "
            f"and the key {key:,}; its numbers are too large or too many to be computed exactly, choose smaller ones."
        )


def _positions(rule: Rule) -> Tensor:
    """Ascending positions of a text."""
    end = LARGEST if rule.longest is None else rule.longest
    exprs = [x for p in rule.pieces for x in (p.distance, *(side for c in p.comparisons for side in (c.left, c.right)))]
    numbers = sorted({int(number) for expr in exprs for number in _numbers(expr) if number < end})[-MOST_NUMBERS:]
    around = {number + more for number in (*numbers, end) for more in (-2, -1, 0, 1)}
    powers = {2**e + more for e in range(LARGEST.bit_length()) for more in (0, 1)}
    return torch.tensor(sorted(p for p in {*range(SMALL), *around, *powers} if 0 <= p < end))


def _numbers(expr: Expr) -> Iterator[int]:
    if expr.op == "number":
        yield int(magnitude(expr.number))
    for part in expr.parts:
        yield from _numbers(part)
