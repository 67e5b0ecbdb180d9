"""ReRoPE (Su 2023, "Transformer upgrade road: 12, ReRoPE", github.com/bojone/rerope)."""

from dataclasses import dataclass
from typing import ClassVar, Self

from torch import Tensor

from longsight.methods.bands import Band, at, beyond, causal, recent
from longsight.methods.base import Method, parameter, true_distance

WINDOW_HELP = "How many recent tokens keep their true distance."


@dataclass(frozen=True)
class ReRoPE(Method):
    """Distances below `window` stay, all larger ones become `window` itself: `min(d, window)`.

    The authors scale logits by max(1, ln(i + 1) / ln L); `for_model` switches that on (`log_n`).
    """

    window: int = parameter(WINDOW_HELP, unit="tokens", low=1)

    key: ClassVar[str] = "rerope"
    title: ClassVar[str] = "ReRoPE"
    paper: ClassVar[str] = "Su 2023, github.com/bojone/rerope"
    summary: ClassVar[str] = "Sees everything; far tokens all stand at the same familiar distance."
    sees: ClassVar[str] = "all"
    tells: ClassVar[str] = "min(d, window)"

    @classmethod
    def for_model(cls, train_length: int, target_length: int) -> Self:
        return cls(window=max(train_length // 2, 1), log_n=train_length if train_length > 1 else 0)

    def distance(self, i: Tensor, j: Tensor) -> Tensor:
        return true_distance(i, j).clamp(max=self.window)

    @property
    def bands(self) -> tuple[Band, ...]:
        far = Band("rectified", causal() & beyond(self.window), q_position=at(self.window), k_position=at(0))
        return Band("window", recent(self.window)), far

    @property
    def rule(self) -> str:
        return f"d < {self.window}: d; else: {self.window}"

    def reach(self, train_length: int) -> int | None:
        return None if self.window <= train_length else train_length
