"""The model as it is."""

from dataclasses import dataclass
from typing import ClassVar, Self

from longsight.methods.base import Method


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

    @property
    def rule(self) -> str:
        return "else: d"
