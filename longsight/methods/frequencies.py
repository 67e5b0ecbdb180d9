"""What the methods share that stretch RoPE itself: they see every token, at its true distance.

Position interpolation is a rule of distance, `d / scale`, alike for all frequencies; NTK-aware scaling, dynamic NTK and
YaRN slow each frequency by its own amount and leave the distance as it is.
"""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from longsight.methods.bands import Band, causal
from longsight.methods.base import Method, true_distance

SCALE_HELP = "How many times longer than the trained length the text may be."
LENGTH_HELP = "The trained length of the model."


@dataclass(frozen=True)
class SeesAll(Method):
    """A method that sees every token, at its true distance, and changes frequencies."""

    sees: ClassVar[str] = "all"
    tells: ClassVar[str] = "d, at slower frequencies"

    def visible(self, i: Tensor, j: Tensor) -> Tensor:
        return true_distance(i, j) >= 0

    def distance(self, i: Tensor, j: Tensor) -> Tensor:
        return true_distance(i, j)

    @property
    def bands(self) -> tuple[Band, ...]:
        return (Band("all", causal()),)


def ntk(inv_freq: Tensor, scale: float) -> Tensor:
    """RoPE's base times `scale ** (D / (D - 2))`: the fastest frequency stays, the slowest is divided by `scale`.

    As `inv_freq[f] = base ** (-2f / D)`, frequency f is divided by `scale ** (2f / (D - 2))`.
    """
    channels = 2 * len(inv_freq)
    if channels <= 2:
        return inv_freq
    return inv_freq * scale ** (-torch.arange(0, channels, 2, dtype=inv_freq.dtype) / (channels - 2)).to(inv_freq)
