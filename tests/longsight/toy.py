"""A method that no paper has: all that anyone has to write to try an idea."""

from dataclasses import dataclass
from typing import ClassVar, Self

from torch import Tensor

from longsight.methods.bands import Band, beyond, causal, recent
from longsight.methods.base import Method, parameter, true_distance


@dataclass(frozen=True)
class BlindSpot(Method):
    """Everything but the keys from `near` to `far` tokens back, at true distances."""

    near: int = parameter("How many recent tokens a query sees, itself included.", unit="tokens", low=1)
    far: int = parameter("From how many tokens back on it sees again.", unit="tokens", low=1)

    key: ClassVar[str] = "blind-spot"
    title: ClassVar[str] = "Blind spot"
    paper: ClassVar[str] = "nobody, never"
    summary: ClassVar[str] = "Sees what is near and what is far, and nothing between."
    sees: ClassVar[str] = "d < near or d >= far"
    tells: ClassVar[str] = "d"

    @classmethod
    def for_model(cls, train_length: int, target_length: int) -> Self:
        return cls(near=max(train_length // 2, 1), far=train_length)

    def visible(self, i: Tensor, j: Tensor) -> Tensor:
        d = true_distance(i, j)
        return (d >= 0) & ((d < self.near) | (d >= self.far))

    @property
    def bands(self) -> tuple[Band, ...]:
        return Band("near", recent(self.near)), Band("far", causal() & beyond(max(self.near, self.far)))
