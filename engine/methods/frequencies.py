"""Methods that stretch RoPE itself: position interpolation, NTK-aware scaling, dynamic NTK and YaRN.

They see every token. Position interpolation is a rule of distance, `d / scale`, alike for all frequencies; the others
slow each frequency by its own amount and leave the distance as it is.
"""

import math
from dataclasses import dataclass
from typing import ClassVar, Self

import torch
from torch import Tensor

from engine.bands import Band, causal
from engine.errors import LongSightError
from engine.methods.base import Method, parameter, true_distance

SCALE_HELP = "How many times longer than the trained length the text may be."
LENGTH_HELP = "The trained length of the model."


@dataclass(frozen=True)
class SeesAll(Method):
    """What the methods of this file share: every token, at its true distance."""

    sees: ClassVar[str] = "all"
    tells: ClassVar[str] = "d, at slower frequencies"

    def visible(self, i: Tensor, j: Tensor) -> Tensor:
        return true_distance(i, j) >= 0

    def distance(self, i: Tensor, j: Tensor) -> Tensor:
        return true_distance(i, j)

    @property
    def bands(self) -> tuple[Band, ...]:
        return (Band("all", causal()),)


@dataclass(frozen=True)
class PositionInterpolation(SeesAll):
    """Distances divided by `scale`: as if the text had been written with fractions of a token (equation 4)."""

    scale: float = parameter(SCALE_HELP, unit="×", low=1)

    key: ClassVar[str] = "position-interpolation"
    title: ClassVar[str] = "Position Interpolation"
    paper: ClassVar[str] = "Chen et al. 2023, arXiv 2306.15595"
    summary: ClassVar[str] = (
        "All distances shrink alike; neighbours blur, because they were never this close in training."
    )
    tells: ClassVar[str] = "d/scale"

    @classmethod
    def for_model(cls, train_length: int, target_length: int) -> Self:
        return cls(scale=max(1.0, target_length / train_length))

    def distance(self, i: Tensor, j: Tensor) -> Tensor:
        return true_distance(i, j).double() / self.scale

    @property
    def bands(self) -> tuple[Band, ...]:
        def interpolated(positions: Tensor) -> Tensor:
            return positions.double() / self.scale  # float32 is off by 8 tokens at position 2e8

        return (Band("all", causal(), interpolated, interpolated),)

    def reach(self, train_length: int) -> int | None:
        return int(train_length * self.scale)


def ntk(inv_freq: Tensor, scale: float) -> Tensor:
    """RoPE's base times `scale ** (D / (D - 2))`: the fastest frequency stays, the slowest is divided by `scale`.

    As `inv_freq[f] = base ** (-2f / D)`, frequency f is divided by `scale ** (2f / (D - 2))`.
    """
    channels = 2 * len(inv_freq)
    if channels <= 2:
        return inv_freq
    return inv_freq * scale ** (-torch.arange(0, channels, 2, dtype=inv_freq.dtype) / (channels - 2)).to(inv_freq)


@dataclass(frozen=True)
class NTK(SeesAll):
    """Fast frequencies stay and slow ones are interpolated, by a larger base."""

    scale: float = parameter(SCALE_HELP, unit="×", low=1)

    key: ClassVar[str] = "ntk"
    title: ClassVar[str] = "NTK-aware"
    paper: ClassVar[str] = "bloc97 2023, described in Peng et al. 2023, arXiv 2309.00071, definition 1"
    summary: ClassVar[str] = "Neighbours stay sharp, far distances shrink: slow frequencies are slowed, fast ones kept."
    needs: ClassVar[str | None] = "rope"

    @classmethod
    def for_model(cls, train_length: int, target_length: int) -> Self:
        return cls(scale=max(1.0, target_length / train_length))

    def inv_freq(self, inv_freq: Tensor, length: int) -> Tensor:
        return ntk(inv_freq, self.scale)

    def reach(self, train_length: int) -> int | None:
        return int(train_length * self.scale)


@dataclass(frozen=True)
class DynamicNTK(SeesAll):
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
    needs: ClassVar[str | None] = "rope"

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


@dataclass(frozen=True)
class YaRN(SeesAll):
    """Each frequency is interpolated by how often it turns within the trained length (section 3.2, "NTK-by-parts").

    More than `FAST` turns: kept. Fewer than `SLOW`: divided by `scale`. Between, a ramp over the frequency's index.
    Logits grow by (0.1 ln scale + 1) squared (section 3.4).
    """

    scale: float = parameter(SCALE_HELP, unit="×", low=1)
    length: int = parameter(LENGTH_HELP, unit="tokens", low=1)

    key: ClassVar[str] = "yarn"
    title: ClassVar[str] = "YaRN"
    paper: ClassVar[str] = "Peng et al. 2023, arXiv 2309.00071"
    summary: ClassVar[str] = (
        "Only frequencies that training never saw turn fully are slowed, and attention is sharpened."
    )
    needs: ClassVar[str | None] = "rope"

    FAST: ClassVar[float] = 32.0
    SLOW: ClassVar[float] = 1.0

    @classmethod
    def for_model(cls, train_length: int, target_length: int) -> Self:
        return cls(scale=max(1.0, target_length / train_length), length=train_length)

    def logit_scale(self, i: Tensor) -> Tensor | None:
        grown = super().logit_scale(i)
        sharper = (0.1 * math.log(self.scale) + 1) ** 2
        return torch.full_like(i, sharper, dtype=torch.float64) if grown is None else grown * sharper

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
