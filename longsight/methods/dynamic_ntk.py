"""Dynamic NTK (emozilla 2023; Peng et al. 2023, arXiv 2309.00071, section 3.3)."""

from dataclasses import dataclass
from typing import ClassVar, Self

import torch
from torch import Tensor

from longsight.methods.base import parameter
from longsight.methods.frequencies import LENGTH_HELP, FrequencyMethod, ntk


@dataclass(frozen=True)
class DynamicNTK(FrequencyMethod):
    """NTK-aware with the scale `alpha * l / length - (alpha - 1)` once the text is longer than `length`.

    A query's own text length decides: l is the number of tokens up to it, rounded up to a multiple of `step`. So a
    token gets the same frequencies whether it is read in one pass, in chunks or alone, which the published code does
    not do: it takes l from the whole input, and mixes keys of different frequencies when decoding. `step` bounds the
    work: keys are rotated once per step.
    """

    length: int = parameter(LENGTH_HELP, unit="tokens", low=1)
    alpha: float = parameter("How much faster than the text the scale grows.", unit="×", low=1, default=1.0)
    step: int = parameter("After how many tokens the frequencies change.", unit="tokens", low=1, default=128)

    key: ClassVar[str] = "dynamic-ntk"
    title: ClassVar[str] = "Dynamic NTK"
    paper: ClassVar[str] = "emozilla 2023, described in Peng et al. 2023, arXiv 2309.00071, section 3.3"
    summary: ClassVar[str] = "NTK-aware scaling that grows with the text, and does nothing before the trained length."

    @classmethod
    def for_model(cls, train_length: int, target_length: int) -> Self:
        return cls(length=train_length, step=max(1, train_length // 4))

    def lengths(self, i: Tensor) -> Tensor:
        rounded = (i // self.step + 1) * self.step
        return torch.where(i < self.length, self.length, rounded.clamp(min=self.length))

    def inv_freq(self, inv_freq: Tensor, length: int) -> Tensor:
        return ntk(inv_freq, self.alpha * length / self.length - (self.alpha - 1))

    def reach(self, train_length: int) -> int | None:
        return None if self.length <= train_length else train_length
