"""Leaky ReRoPE (Su 2023, "Transformer upgrade road: 12, ReRoPE", github.com/bojone/rerope)."""

import math
from dataclasses import dataclass
from typing import ClassVar, Self

import torch
from torch import Tensor

from longsight.methods.bands import Band, beyond, causal, recent
from longsight.methods.base import Method, parameter, true_distance
from longsight.methods.rerope import WINDOW_HELP


@dataclass(frozen=True)
class LeakyReRoPE(Method):
    """Distances below `window` stay, larger ones grow `slope` times slower: `window + (d - window) / slope`."""

    window: int = parameter(WINDOW_HELP, unit="tokens", low=1)
    slope: float = parameter("How many true tokens make one more token of distance past the window.", unit="×", low=1)

    key: ClassVar[str] = "leaky-rerope"
    title: ClassVar[str] = "Leaky ReRoPE"
    paper: ClassVar[str] = "Su 2023, github.com/bojone/rerope"
    summary: ClassVar[str] = "Sees everything; distances grow normally at first and slowly beyond the window."
    sees: ClassVar[str] = "all"
    tells: ClassVar[str] = "d < window: d; else window + (d - window)/slope"

    @classmethod
    def for_model(cls, train_length: int, target_length: int) -> Self:
        """The window of ReRoPE, and the smallest whole slope that reaches `target_length`."""
        window = max(train_length // 2, 1)
        slope = math.ceil(max(target_length - window, 1) / max(train_length - window, 1))
        return cls(window=window, slope=slope)

    def distance(self, i: Tensor, j: Tensor) -> Tensor:
        d = true_distance(i, j)
        return torch.where(d < self.window, d.double(), self.window + (d - self.window).double() / self.slope)

    @property
    def bands(self) -> tuple[Band, ...]:
        far = Band(
            "leaky",
            causal() & beyond(self.window),
            q_position=lambda i: self.window + (i - self.window).double() / self.slope,
            k_position=lambda j: j.double() / self.slope,
        )
        return Band("window", recent(self.window)), far

    @property
    def rule(self) -> str:
        return f"d < {self.window}: d; else: {self.window} + (d - {self.window}) / {self.slope}"

    def reach(self, train_length: int) -> int | None:
        if self.window > train_length:
            return train_length
        return math.ceil(round((train_length - self.window) * self.slope, 6)) + self.window
