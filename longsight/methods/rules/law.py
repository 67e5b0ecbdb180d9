"""What a rule means, pair by pair: its text interpreted directly, on whole tensors of positions.

This is the law of the method `composed`. Its bands are made of the same tree in another way, in `regions.py`.
"""

import operator
from collections.abc import Callable
from functools import reduce
from typing import Any

import torch
from torch import Tensor

from longsight.methods.rules.tree import Comparison, Expr, Rule

OPERATORS: dict[str, Callable[[Any, Any], Any]] = {
    "+": operator.add, "-": operator.sub, "*": operator.mul, "//": operator.floordiv, "%": operator.mod,
    "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge, "==": operator.eq,
}  # fmt: skip


def value(expr: Expr, i: Any, j: Any) -> Any:
    """The number for query `i` and key `j`, tensors or ints: int64, or float64 where it may be a fraction. What is
    whole and hangs on neither stays Python's."""
    if expr.op == "number":
        return int(expr.number) if expr.whole else torch.tensor(float(expr.number), dtype=torch.float64)
    if not expr.parts:
        return i - j if expr.op == "d" else i if expr.op == "i" else j
    parts = [value(part, i, j) for part in expr.parts]
    if expr.op == "negative":
        return -parts[0]
    if expr.op in ("min", "max"):
        return reduce(_smaller if expr.op == "min" else _larger, parts)
    if expr.op == "/":
        return torch.as_tensor(parts[0]).double() / float(expr.parts[1].number)
    return OPERATORS[expr.op](*parts)


def _smaller(a: Any, b: Any) -> Any:
    if isinstance(a, int):
        return min(a, b) if isinstance(b, int) else b.clamp(max=a)
    return a.clamp(max=b) if isinstance(b, int) else torch.minimum(a, b)


def _larger(a: Any, b: Any) -> Any:
    if isinstance(a, int):
        return max(a, b) if isinstance(b, int) else b.clamp(min=a)
    return a.clamp(min=b) if isinstance(b, int) else torch.maximum(a, b)


def holds(comparisons: tuple[Comparison, ...], i: Tensor, j: Tensor) -> Tensor:
    """Whether all of them do -> bool, of the shape of `i` and `j` broadcast."""
    each = [OPERATORS[c.op](value(c.left, i, j), value(c.right, i, j)) for c in comparisons]
    return reduce(operator.and_, each, torch.ones_like(i - j, dtype=torch.bool))


def visible(rule: Rule, i: Tensor, j: Tensor) -> Tensor:
    """Whether some piece serves the pair, and the key is none of the future -> bool."""
    served = reduce(operator.or_, (holds(piece.comparisons, i, j) for piece in rule.pieces))
    return served & (j <= i)


def distance(rule: Rule, i: Tensor, j: Tensor) -> Tensor:
    """What the first piece tells whose condition holds; 0 where none does."""
    told = torch.zeros_like(i - j)
    for piece in reversed(rule.pieces):
        told = torch.where(holds(piece.comparisons, i, j), torch.as_tensor(value(piece.distance, i, j)), told)
    return told
