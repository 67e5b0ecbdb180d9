"""ALiBi: positions -> a bias that falls with the distance (Press et al. 2021, arXiv 2108.12409, section 3)."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar

import torch
from torch import Tensor

from longsight.attention.encoding import Encoding
from longsight.attention.transfer import Copies, kept_on, sent


@dataclass(frozen=True)
class Alibi(Encoding):
    """Adds `-slope * distance` to the logits of each head; `slopes` (head,) float32, per token.

    There are no frequencies: of distances that differ by groups of them it hears the mean.
    """

    slopes: Tensor
    _copies: Copies = field(default_factory=dict, init=False, repr=False, compare=False)

    kind: ClassVar[str] = "alibi"
    name: ClassVar[str] = "ALiBi"

    def logits(self, q: Tensor, k: Tensor, distance: Tensor, scaling: float) -> Tensor:
        told = distance.double().mean(0) if distance.ndim == 3 else distance
        return q @ k.mT * scaling - self.slopes.to(q)[:, None, None] * told.to(q)

    def bias(self, positions: Tensor) -> Tensor:
        device = torch.device("cpu") if positions.device.type == "mps" else positions.device  # MPS has no float64
        heard = torch.atleast_2d(sent(positions, device, torch.float64)).mean(0)
        return kept_on(device, self.slopes, self._copies)[:, None] * heard

    def of_heads(self, heads: Sequence[int]) -> "Alibi":
        return replace(self, slopes=self.slopes[list(heads)])


def slopes(heads: int, bias_max: float = 8.0) -> Tensor:
    """The slopes (head,) of Press et al.: a geometric sequence for a power of two, otherwise every second one of the
    next power of two first, as in MPT."""
    power = 2 ** math.ceil(math.log2(heads))
    found = 2.0 ** (-bias_max / power * torch.arange(1, power + 1))
    return found if power == heads else torch.cat((found[1::2], found[::2]))[:heads]


def slopes_by_halves(heads: int) -> Tensor:
    """The slopes (head,) as BLOOM and Falcon order them: those of the power of two below, then odd ones of the next."""
    power = 2 ** math.floor(math.log2(heads))
    return torch.cat((slopes(power), slopes(2 * power)[::2][: heads - power]))
