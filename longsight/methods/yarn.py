"""YaRN (Peng et al. 2023, arXiv 2309.00071)."""

import math
from dataclasses import dataclass
from typing import ClassVar, Self

import torch
from torch import Tensor

from longsight.errors import LongSightError
from longsight.methods.base import parameter, times
from longsight.methods.frequencies import LENGTH_HELP, SCALE_HELP, FrequencyMethod


@dataclass(frozen=True)
class YaRN(FrequencyMethod):
    """Each frequency is interpolated by how often it turns within the trained length (section 3.2, "NTK-by-parts").

    More than `FAST` turns: kept. Fewer than `SLOW`: divided by `scale`. Between, a ramp over the frequency's index.
    Logits grow by (0.1 ln scale + 1) squared (section 3.4).
    """

    scale: float = parameter(SCALE_HELP, unit="×", low=1)
    length: int = parameter(LENGTH_HELP, unit="tokens", low=1)

    key: ClassVar[str] = "yarn"
    title: ClassVar[str] = "YaRN"
    paper: ClassVar[str] = "Peng et al. 2023, arXiv 2309.00071"
    code: ClassVar[str] = "github.com/jquesnelle/yarn"
    summary: ClassVar[str] = (
        "Only frequencies that training never saw turn fully are slowed, and attention is sharpened."
    )

    FAST: ClassVar[float] = 32.0
    SLOW: ClassVar[float] = 1.0

    @classmethod
    def for_model(cls, train_length: int, target_length: int) -> Self:
        return cls(scale=max(1.0, target_length / train_length), length=train_length)

    def logit_scale(self, i: Tensor) -> Tensor | None:
        return times((0.1 * math.log(self.scale) + 1) ** 2, super().logit_scale(i), i)

    def inv_freq(self, inv_freq: Tensor, length: int) -> Tensor:
        if len(inv_freq) < 2:
            raise LongSightError(f"YaRN needs at least 2 frequencies, but this model rotates {len(inv_freq)}.")
        log_ratio = float((inv_freq[0] / inv_freq[-1]).log()) / (
            len(inv_freq) - 1
        )  # ln of one step between frequencies
        turns = self.length * float(inv_freq[0]) / (2 * math.pi)

        def index(rotations: float) -> float:
            """The index of the frequency that turns `rotations` times within the trained length."""
            return math.log(turns / rotations) / log_ratio

        low = max(math.floor(index(self.FAST)), 0)
        high = min(math.ceil(index(self.SLOW)), 2 * len(inv_freq) - 1)
        ramp = (torch.arange(len(inv_freq), dtype=inv_freq.dtype) - low) / (max(high - low, 0) or 0.001)
        interpolated = ramp.clamp(0, 1).to(inv_freq)
        return inv_freq / self.scale * interpolated + inv_freq * (1 - interpolated)

    def reach(self, train_length: int) -> int | None:
        return int(train_length * self.scale)
