"""NTK-aware scaling (bloc97 2023; Peng et al. 2023, arXiv 2309.00071, definition 1)."""

from dataclasses import dataclass
from typing import ClassVar, Self

from torch import Tensor

from longsight.methods.base import parameter
from longsight.methods.frequencies import SCALE_HELP, FrequencyMethod, ntk


@dataclass(frozen=True)
class NTK(FrequencyMethod):
    """Fast frequencies stay and slow ones are interpolated, by a larger base."""

    scale: float = parameter(SCALE_HELP, unit="×", low=1)

    key: ClassVar[str] = "ntk"
    title: ClassVar[str] = "NTK-aware"
    paper: ClassVar[str] = "bloc97 2023, described in Peng et al. 2023, arXiv 2309.00071, definition 1"
    summary: ClassVar[str] = "Neighbours stay sharp, far distances shrink: slow frequencies are slowed, fast ones kept."

    @classmethod
    def for_model(cls, train_length: int, target_length: int) -> Self:
        return cls(scale=max(1.0, target_length / train_length))

    def inv_freq(self, inv_freq: Tensor, length: int) -> Tensor:
        return ntk(inv_freq, self.scale)

    def reach(self, train_length: int) -> int | None:
        return int(train_length * self.scale)
