"""DPE, dimension-wise positional embeddings (Lu et al. 2025, arXiv 2504.18857)."""

from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar, Self

import torch
from torch import Tensor

from longsight.errors import LongSightError
from longsight.methods.bands import Band
from longsight.methods.base import LARGEST, Method, parameter
from longsight.methods.self_extend import SelfExtend

MOST_GROUPS = 64
"""As many as the pairs of channels of the models that the authors ran it on."""


@dataclass(frozen=True)
class DPE(Method):
    """SelfExtend with a group size for each group of frequencies: neighbours (`0 <= d < window`) keep their true
    distance, and past them a pair of channels hears `i // g - j // g + window - window // g`, with the g of its group.

    The pairs of channels that turn are parted, the fastest first, into as many groups as there are sizes, as equal as
    whole pairs allow. It is one softmax: a logit is the sum over the pairs. `window` must be a multiple of every size;
    for other values the published code disagrees with itself. The authors also choose, for each head, the pairs that
    count and leave all others at their true distance without bound; that is not done here.
    """

    groups: str = parameter(
        "Group sizes, parted by spaces, of the frequencies from the fastest to the slowest: 2 8 4 1.",
        unit="text", low=1, high=400, symbol="G",
    )  # fmt: skip
    window: int = parameter(
        "How many recent tokens keep their true distance. A multiple of every group size.",
        unit="tokens", low=1, symbol="W",
    )  # fmt: skip

    key: ClassVar[str] = "dpe"
    title: ClassVar[str] = "DPE"
    paper: ClassVar[str] = "Lu et al. 2025, arXiv 2504.18857"
    summary: ClassVar[str] = (
        "Sees everything: near tokens exactly, far tokens in groups, which are larger for some frequencies than others."
    )
    sees: ClassVar[str] = "all"
    tells: ClassVar[str] = "d < window: d; else i//g - j//g + window - window//g, a g for each group of frequencies"

    def check(self) -> None:
        for size in self.sizes:
            if self.window % size:
                raise LongSightError(
                    f"DPE: window = {self.window} is not a multiple of {size}, one of its groups; choose window = "
                    f"{-(-self.window // size) * size}, or other groups."
                )

    @property
    def sizes(self) -> tuple[int, ...]:
        """The group sizes [tokens], of the fastest frequencies first."""
        return _sizes(self.groups)

    @property
    def frequency_groups(self) -> int:
        return len(self.sizes)

    @property
    def _each(self) -> list[SelfExtend]:
        """What each group of frequencies is told."""
        return [SelfExtend(group=size, window=self.window) for size in self.sizes]

    @classmethod
    def for_model(cls, train_length: int, target_length: int) -> Self:
        """SelfExtend's group and window, and twice that group for the third quarter of the frequencies, where the
        authors' own configurations have their largest groups."""
        like = SelfExtend.for_model(train_length, target_length)
        group, double = like.group, 2 * like.group
        third = double if group > 1 and like.window % double == 0 else group
        return cls(groups=f"{group} {group} {third} {group}", window=like.window)

    def distance(self, i: Tensor, j: Tensor) -> Tensor:
        return torch.stack([each.distance(i, j) for each in self._each])

    @property
    def bands(self) -> tuple[Band, ...]:
        (neighbour, far), *_ = parts = [each.bands for each in self._each]
        grouped = Band(
            far.name,
            far.span,
            q_position=lambda i: torch.stack([band.q_position(i) for _, band in parts]),
            k_position=lambda j: torch.stack([band.k_position(j) for _, band in parts]),
        )
        return neighbour, grouped

    def reach(self, train_length: int) -> int | None:
        """That of the frequencies that reach the least."""
        reached = [each.reach(train_length) for each in self._each]
        return min(tokens for tokens in reached if tokens is not None)


@lru_cache(maxsize=256)
def _sizes(text: str) -> tuple[int, ...]:
    parts = text.split()
    if not 1 <= len(parts) <= MOST_GROUPS:
        raise LongSightError(f"DPE: groups must name 1 to {MOST_GROUPS} sizes, but {len(parts)} were given.")
    for part in parts:
        if not (part.isascii() and part.isdigit() and len(part) < 14 and 1 <= int(part) <= LARGEST):
            raise LongSightError(
                f"DPE: groups must be whole numbers from 1 on, parted by spaces, but {part!r} was given."
            )
    return tuple(map(int, parts))
