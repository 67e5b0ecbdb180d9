"""Position interpolation (Chen et al. 2023, arXiv 2306.15595)."""

import math
from dataclasses import dataclass
from typing import ClassVar, Self

from torch import Tensor

from longsight.methods.bands import Band, causal
from longsight.methods.base import Method, parameter, true_distance
from longsight.methods.frequencies import SCALE_HELP


@dataclass(frozen=True)
class PositionInterpolation(Method):
    """Distances divided by `scale`: as if the text had been written with fractions of a token (equation 4)."""

    scale: float = parameter(SCALE_HELP, unit="×", low=1)

    key: ClassVar[str] = "position-interpolation"
    title: ClassVar[str] = "Position Interpolation"
    paper: ClassVar[str] = "Chen et al. 2023, arXiv 2306.15595"
    summary: ClassVar[str] = (
        "All distances shrink alike; neighbours blur, because they were never this close in training."
    )
    sees: ClassVar[str] = "all"
    tells: ClassVar[str] = "d/scale"

    @classmethod
    def for_model(cls, train_length: int, target_length: int) -> Self:
        return cls(scale=max(1.0, target_length / train_length))

    def distance(self, i: Tensor, j: Tensor) -> Tensor:
        return true_distance(i, j).double() / self.scale

    @property
    def bands(self) -> tuple[Band, ...]:
        def interpolated(positions: Tensor) -> Tensor:
            return positions.double() / self.scale  # float32 is off by 8 tokens at position 2e8

        return (Band("all", causal(), interpolated, interpolated),)

    @property
    def rule(self) -> str:
        return f"else: d / {self.scale}"

    def reach(self, train_length: int) -> int | None:
        return math.ceil(round(train_length * self.scale, 6))  # a whole number in spite of rounding
