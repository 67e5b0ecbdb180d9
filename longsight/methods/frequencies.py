"""What the methods share that stretch RoPE itself, each of its frequencies by an amount of its own: NTK-aware scaling,
dynamic NTK and YaRN. Every token is seen, at its true distance.
"""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from longsight.methods.base import Method

SCALE_HELP = "How many times longer than the trained length the text may be."
LENGTH_HELP = "The trained length of the model."


@dataclass(frozen=True)
class FrequencyMethod(Method):
    """A method that changes the frequencies of RoPE, and nothing else."""

    sees: ClassVar[str] = "all"
    tells: ClassVar[str] = "d, at slower frequencies"
    needs: ClassVar[str | None] = "rope"


def ntk(inv_freq: Tensor, scale: float) -> Tensor:
    """RoPE's base times `scale ** (D / (D - 2))`: the fastest frequency stays, the slowest is divided by `scale`.

    As `inv_freq[f] = base ** (-2f / D)`, frequency f is divided by `scale ** (2f / (D - 2))`.
    """
    channels = 2 * len(inv_freq)
    if channels <= 2:
        return inv_freq
    return inv_freq * scale ** (-torch.arange(0, channels, 2, dtype=inv_freq.dtype) / (channels - 2)).to(inv_freq)
