"""STRING (An et al. 2024, arXiv 2410.18745)."""

from dataclasses import dataclass
from typing import ClassVar, Self

import torch
from torch import Tensor

from longsight.errors import LongSightError
from longsight.methods.bands import Band, beyond, causal, recent
from longsight.methods.base import FACTOR_HELP, Method, parameter, times, true_distance


@dataclass(frozen=True)
class String(Method):
    """Distances below `shift` stay, all others are `shift - local` smaller: `d < S: d; else d - S + W` (section 4).

    Meant for texts inside the trained length too: of the distances there the largest are those that training showed
    the fewest times, and they are no longer used. A key at `d = shift` is counted once, as shifted; in prefill the
    published code counts it twice, at both distances, and in decoding once. `local` is 128 in that code; `for_model`
    takes less for models whose `shift` is not several times that. The code multiplies all logits by 1.1434, which the
    paper's rule does not: `logit_factor`.
    """

    shift: int = parameter("From which distance on tokens are told nearer.", unit="tokens", low=1, symbol="S")
    local: int = parameter(
        "The distance that is told at shift, from which distances grow again. Less than shift.",
        unit="tokens", symbol="W",
    )  # fmt: skip
    logit_factor: float = parameter(FACTOR_HELP, unit="×", low=1, high=4, default=1.0)

    key: ClassVar[str] = "string"
    title: ClassVar[str] = "STRING"
    paper: ClassVar[str] = "An et al. 2024, arXiv 2410.18745"
    summary: ClassVar[str] = (
        "Sees everything; far tokens move nearer by a fixed amount, so that the longest distances are never used."
    )
    sees: ClassVar[str] = "all"
    tells: ClassVar[str] = "d < shift: d; else d - shift + local"

    def check(self) -> None:
        if self.local >= self.shift:
            raise LongSightError(
                f"STRING: local = {self.local} is not below shift = {self.shift}; choose at most {self.shift - 1}."
            )

    @classmethod
    def for_model(cls, train_length: int, target_length: int) -> Self:
        """The authors' third of the trained length, and their local value, or a quarter of `shift` where that is
        less."""
        shift = max(train_length * 33 // 100, 1)
        return cls(shift=shift, local=min(128, shift // 4))

    def distance(self, i: Tensor, j: Tensor) -> Tensor:
        d = true_distance(i, j)
        return torch.where(d < self.shift, d, d - self.shift + self.local)

    def logit_scale(self, i: Tensor) -> Tensor | None:
        return times(self.logit_factor, super().logit_scale(i), i)

    @property
    def bands(self) -> tuple[Band, ...]:
        shifted = Band("shifted", causal() & beyond(self.shift), q_position=lambda i: i - self.shift + self.local)
        return Band("window", recent(self.shift)), shifted

    @property
    def rule(self) -> str:
        return f"d < {self.shift}: d; else: d - {self.shift} + {self.local}"

    def reach(self, train_length: int) -> int | None:
        return train_length if self.shift > train_length else train_length + self.shift - self.local
