"""Rules of their own for the key/value heads of a layer."""

from dataclasses import dataclass, field
from fractions import Fraction
from typing import ClassVar

from torch import Tensor

from longsight.methods.bands import Band
from longsight.methods.base import HeadGroup, Method


@dataclass(frozen=True)
class ByHead(Method):
    """What runs in a layer under a method that tells its heads apart: the rule of each, which change no frequencies and
    fetch nothing, and the `law` of the method as a whole."""

    law: Method = field(kw_only=True)
    rules: tuple[Method, ...] = field(kw_only=True)

    title: ClassVar[str] = "By head"

    def __post_init__(self) -> None:
        """There is nothing to check: the law and the rules were, when they were made."""

    @property
    def head_groups(self) -> tuple[HeadGroup, ...]:
        return tuple(
            HeadGroup(rule, tuple(n for n, other in enumerate(self.rules) if other == rule))
            for rule in dict.fromkeys(self.rules)
        )

    def visible(self, i: Tensor, j: Tensor) -> Tensor:
        return self.law.visible(i, j)

    def distance(self, i: Tensor, j: Tensor) -> Tensor:
        return self.law.distance(i, j)

    def logit_scale(self, i: Tensor) -> Tensor | None:
        return self.law.logit_scale(i)

    @property
    def bands(self) -> tuple[Band, ...]:
        return self.law.bands


def shares(rule: Method) -> list[tuple[Method, Fraction]]:
    """What runs in a layer under its `rule`: one rule, or several, each with its share of the key/value heads."""
    groups = rule.head_groups
    total = sum(len(heads) for _, heads in groups)
    return [(each, Fraction(len(heads), total)) for each, heads in groups] or [(rule, Fraction(1))]
