"""SelfExtend (Jin et al. 2024, arXiv 2401.01325)."""

from dataclasses import dataclass
from typing import ClassVar, Self

import torch
from torch import Tensor

from longsight.errors import LongSightError
from longsight.methods.bands import Band, beyond, causal, recent
from longsight.methods.base import Method, parameter, true_distance


@dataclass(frozen=True)
class SelfExtend(Method):
    """Neighbours (`0 <= d < window`) at their true distance; `i // group - j // group + window - window // group` else.

    Floor divisions, as in the authors' `Llama_4_40.py`. The distance depends on `i % group`, not on d alone: a
    staircase.
    `window` must be a multiple of `group`; for other values the published code disagrees with itself.
    """

    group: int = parameter("How many neighbouring positions share one far position.", unit="tokens", low=1, symbol="G")
    window: int = parameter(
        "How many recent tokens keep their true distance. A multiple of group.", unit="tokens", symbol="W", low=1
    )

    key: ClassVar[str] = "self-extend"
    title: ClassVar[str] = "SelfExtend"
    paper: ClassVar[str] = "Jin et al. 2024, arXiv 2401.01325"
    code: ClassVar[str] = "github.com/datamllab/LongLM"
    summary: ClassVar[str] = (
        "Sees everything: near tokens exactly, far tokens in groups that share a familiar position."
    )
    sees: ClassVar[str] = "all"
    tells: ClassVar[str] = "d < window: d; else i//group - j//group + window - window//group"

    def check(self) -> None:
        if self.window % self.group:
            below = self.window // self.group * self.group
            options = " or ".join(str(w) for w in (below, below + self.group) if w)
            raise LongSightError(
                f"SelfExtend: window = {self.window} is not a multiple of group = {self.group}; "
                f"choose window = {options}."
            )

    @classmethod
    def for_model(cls, train_length: int, target_length: int) -> Self:
        """The authors' rule of thumb: the smallest power of two G with `W + (N - W) / G <= 2/3 L`, for W near L/4.

        A smaller W is tried when no G fits. Past all of them the pair of greatest reach is returned; `reach` tells it.
        """
        quarter = 2 ** max(train_length.bit_length() - 3, 0)  # the power of two in (L/8, L/4]
        for window in (quarter, quarter // 2, quarter // 4):
            for group in powers_of_two(window):
                if window + (target_length - window) / group <= 2 / 3 * train_length:
                    return cls(group=group, window=window)
        candidates = [cls(group=g, window=g) for g in powers_of_two(train_length)]
        return max(candidates, key=lambda method: method.reach(train_length) or 0)

    def distance(self, i: Tensor, j: Tensor) -> Tensor:
        d = true_distance(i, j)
        grouped = i // self.group - j // self.group + self.window - self.window // self.group
        return torch.where(d < self.window, d, grouped)

    @property
    def bands(self) -> tuple[Band, ...]:
        shift = self.window - self.window // self.group
        grouped = Band(
            "grouped",
            causal() & beyond(self.window),
            q_position=lambda i: i // self.group + shift,
            k_position=lambda j: j // self.group,
        )
        return Band("neighbour", recent(self.window)), grouped

    @property
    def rule(self) -> str:
        shift = self.window - self.window // self.group
        return f"d < {self.window}: d; else: i // {self.group} - j // {self.group} + {shift}"

    def reach(self, train_length: int) -> int | None:
        """`(L - W) * G + W` (section 3.2); with `W > L` the neighbours alone pass the trained length."""
        if self.window > train_length:
            return train_length
        return (train_length - self.window) * self.group + self.window


def powers_of_two(limit: int) -> list[int]:
    """1, 2, 4 ... up to `limit`."""
    return [2**e for e in range(limit.bit_length())]
