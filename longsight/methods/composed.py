"""A rule of one's own, written as a short text."""

from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar, Self

import torch
from torch import Tensor

from longsight.methods.bands import Band
from longsight.methods.base import LARGEST, Method, parameter
from longsight.methods.contract import check_contract
from longsight.methods.rules import law
from longsight.methods.rules.language import MOST_CHARACTERS, parse
from longsight.methods.rules.proof import prove
from longsight.methods.rules.reach import familiar_length
from longsight.methods.rules.regions import RuleBands, rule_bands
from longsight.methods.rules.tree import Rule
from longsight.methods.self_extend import SelfExtend


@dataclass(frozen=True)
class Composed(Method):
    """Pieces `condition: distance`, parted by `;`: the first whose condition holds says how far key j is from query i;
    what no piece takes is hidden.

    `d < 128: d; j < 4: 512; else: i // 8 - j // 8 + 112`. There are i, j, d = i - j, n (the text's length) and L (the
    trained length), `+ - * // %`, min, max, a slope `/`, and comparisons joined by `and`. A distance must be a function
    of i minus a function of j, and a condition must hold for an interval of keys whose ends only move forward as the
    query does: attention is computed from that. A rule that is neither is refused, with the place and what would
    work, and so is one that tells a negative distance or leaves a query without its own key, on the pairs looked at:
    all of a short text, and a spread of longer ones.
    """

    rule: str = parameter(
        "The rule: pieces `condition: distance`, parted by semicolons; the first that holds serves the pair.",
        unit="text", low=1, high=MOST_CHARACTERS, default="else: d",
    )  # fmt: skip
    length: int = parameter("What n stands for: the longest text to be read.", unit="tokens", default=0)
    trained: int = parameter("What L stands for: the trained length of the model.", unit="tokens", default=0)

    key: ClassVar[str] = "composed"
    title: ClassVar[str] = "Composed"
    paper: ClassVar[str] = "a rule of one's own"
    summary: ClassVar[str] = "Sees what a rule of your own says, at the distances that it says."
    sees: ClassVar[str] = "what some piece of rule takes"
    tells: ClassVar[str] = "the distance of the first piece of rule whose condition holds"

    def check(self) -> None:
        """A rule that was found to hold for these values is not looked at again."""
        _made(self.rule, self.length, self.trained)
        check_contract(self)

    @classmethod
    def for_model(cls, train_length: int, target_length: int) -> Self:
        """SelfExtend's groups, with the first four tokens as far away as they would be at the trained length's end."""
        like = SelfExtend.for_model(train_length, target_length)
        window, group, sinks = like.window, like.group, min(4, train_length - 1)
        return cls(
            rule=f"d < {window}: d; j < {sinks}: min(i, {train_length - 1}) - j; "
            f"else: i // {group} - j // {group} + {window - window // group}",
            length=target_length,
            trained=train_length,
        )

    @property
    def _parsed(self) -> Rule:
        return _made(self.rule, self.length, self.trained)[0]

    @property
    def _made_of(self) -> RuleBands:
        return _made(self.rule, self.length, self.trained)[1]

    def visible(self, i: Tensor, j: Tensor) -> Tensor:
        return law.visible(self._parsed, torch.as_tensor(i), torch.as_tensor(j))

    def distance(self, i: Tensor, j: Tensor) -> Tensor:
        return law.distance(self._parsed, torch.as_tensor(i), torch.as_tensor(j))

    @property
    def bands(self) -> tuple[Band, ...]:
        return self._made_of.bands

    @property
    def acts_without_positions(self) -> bool:
        return self._made_of.hides or self.logit_scale(torch.tensor([LARGEST])) is not None

    @property
    def longest(self) -> int | None:
        return self._parsed.longest

    def reach(self, train_length: int) -> int | None:
        return _reach(self.rule, self.length, self.trained, train_length)


@lru_cache(maxsize=256)
def _made(text: str, length: int, trained: int) -> tuple[Rule, RuleBands]:
    """The tree of a rule and its bands, looked at as a whole."""
    rule = parse(text, length, trained)
    made = rule_bands(rule)
    prove(rule, made.bands)
    return rule, made


@lru_cache(maxsize=256)
def _reach(text: str, length: int, trained: int, train_length: int) -> int | None:
    rule, made = _made(text, length, trained)
    return familiar_length(rule, made.bands, train_length)
