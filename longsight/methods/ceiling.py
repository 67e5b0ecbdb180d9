"""The distance ceiling of LM-Infinite on its own (Han et al. 2023, arXiv 2308.16137)."""

from dataclasses import dataclass
from typing import ClassVar, Self

from torch import Tensor

from longsight.methods.bands import Band, at, beyond, causal, recent
from longsight.methods.base import Method, parameter, true_distance
from longsight.methods.lambda_only import PAPER

CEILING_HELP = "No token is ever presented as farther away than this."


@dataclass(frozen=True)
class Ceiling(Method):
    """The distance ceiling without the mask: every token, none farther than `ceiling`.

    Distances stay familiar, but the number of visible tokens does not, and attention spreads thin (factor 2).
    """

    ceiling: int = parameter(CEILING_HELP, unit="tokens", low=1)

    key: ClassVar[str] = "ceiling"
    title: ClassVar[str] = "Ceiling only"
    paper: ClassVar[str] = f"{PAPER}, ablation (figure 5)"
    summary: ClassVar[str] = "Half of LM-Infinite: familiar distances, but far more tokens at once than in training."
    sees: ClassVar[str] = "all"
    tells: ClassVar[str] = "min(d, ceiling)"

    @classmethod
    def for_model(cls, train_length: int, target_length: int) -> Self:
        return cls(ceiling=train_length)

    def distance(self, i: Tensor, j: Tensor) -> Tensor:
        return true_distance(i, j).clamp(max=self.ceiling)

    @property
    def bands(self) -> tuple[Band, ...]:
        far = Band("ceiling", causal() & beyond(self.ceiling), q_position=at(self.ceiling), k_position=at(0))
        return Band("near", recent(self.ceiling)), far

    @property
    def rule(self) -> str:
        return f"d < {self.ceiling}: d; else: {self.ceiling}"

    def reach(self, train_length: int) -> int | None:
        return None if self.ceiling <= train_length else train_length
