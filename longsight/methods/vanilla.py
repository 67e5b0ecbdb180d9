"""The model as it is."""

from dataclasses import dataclass
from typing import ClassVar, Self

from torch import Tensor

from longsight.methods.bands import Band, causal
from longsight.methods.base import Method, true_distance


@dataclass(frozen=True)
class Vanilla(Method):
    """Every earlier token, at its true distance: what the model does without any repair."""

    key: ClassVar[str] = "vanilla"
    title: ClassVar[str] = "Vanilla"
    paper: ClassVar[str] = "the stock model"
    summary: ClassVar[str] = "The unpatched model: it sees everything, at distances it was never trained on."
    sees: ClassVar[str] = "all"
    tells: ClassVar[str] = "d"

    @classmethod
    def for_model(cls, train_length: int, target_length: int) -> Self:
        return cls()

    def visible(self, i: Tensor, j: Tensor) -> Tensor:
        return true_distance(i, j) >= 0

    def distance(self, i: Tensor, j: Tensor) -> Tensor:
        return true_distance(i, j)

    @property
    def bands(self) -> tuple[Band, ...]:
        return (Band("all", causal()),)
