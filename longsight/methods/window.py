"""A plain sliding window."""

from dataclasses import dataclass
from typing import ClassVar, Self

from torch import Tensor

from longsight.methods.bands import Band, recent
from longsight.methods.base import Method, parameter, true_distance


@dataclass(frozen=True)
class Window(Method):
    """The `window` most recent tokens and nothing else; `d < window`, so the query itself counts as one of them.

    It loses the starting tokens, the attention sinks of many models, and fails there (LM-Infinite, section 3.2).
    """

    window: int = parameter("How many recent tokens a query sees, itself included.", unit="tokens", low=1)

    key: ClassVar[str] = "window"
    title: ClassVar[str] = "Window"
    paper: ClassVar[str] = "sliding-window attention"
    summary: ClassVar[str] = (
        "Only the most recent tokens. The beginning of the text is lost, and with it the starting tokens."
    )
    sees: ClassVar[str] = "d < window"
    tells: ClassVar[str] = "d"

    @classmethod
    def for_model(cls, train_length: int, target_length: int) -> Self:
        return cls(window=train_length)

    def visible(self, i: Tensor, j: Tensor) -> Tensor:
        d = true_distance(i, j)
        return (d >= 0) & (d < self.window)

    @property
    def bands(self) -> tuple[Band, ...]:
        return (Band("window", recent(self.window)),)

    @property
    def rule(self) -> str:
        return f"d < {self.window}: d"

    def reach(self, train_length: int) -> int | None:
        return None if self.window <= train_length else train_length
