"""Rotary position embedding: positions -> rotations (Su et al. 2021, arXiv 2104.09864, equation 34)."""

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import ClassVar

import torch
from torch import Tensor

from longsight.attention.encoding import Encoding, Table, pairs
from longsight.attention.transfer import Copies, kept_on, sent
from longsight.methods import Method


@dataclass(frozen=True)
class Rotary(Encoding):
    """`inv_freq` (rotary_dim / 2,) float64 [radians per token] on the CPU, where methods change them, and how channels
    are paired (see `rotate`).

    A constant factor that a model's config puts on rotated queries and keys (YaRN's) is applied by the model itself.
    """

    inv_freq: Tensor
    interleaved: bool = False
    _copies: Copies = field(default_factory=dict, init=False, repr=False, compare=False)

    kind: ClassVar[str] = "rope"
    name: ClassVar[str] = "RoPE"

    def logits(self, q: Tensor, k: Tensor, distance: Tensor, scaling: float) -> Tensor:
        """With q_f, k_f as complex numbers, pair f contributes Re(q_f conj(k_f) exp(i distance theta_f))."""
        channels = 2 * len(self.inv_freq)
        (qa, qb), (ka, kb) = (pairs(x[..., :channels], self.interleaved) for x in (q, k))
        logits = q[..., channels:] @ k[..., channels:].mT
        told = distance if distance.ndim == 3 else distance[None]
        groups = pair_groups(len(told), len(self.inv_freq)).tolist()
        for f, theta in enumerate(self.inv_freq.double()):
            angle = told[groups[f]].to(torch.float64) * theta.to(distance.device)
            a, b = qa[..., f, None], qb[..., f, None]  # (batch, head, query, 1)
            c, d = ka[..., None, :, f], kb[..., None, :, f]  # (batch, head, 1, key)
            logits = logits + (a * c + b * d) * angle.cos().to(q) + (a * d - b * c) * angle.sin().to(q)
        return logits * scaling

    def table(self, positions: Tensor, like: Tensor) -> Table:
        """Angles are made in float64: at position 2e8 a float32 angle is wrong by whole turns."""
        device = torch.device("cpu") if like.device.type == "mps" else like.device  # MPS has no float64
        told = torch.atleast_2d(sent(positions, device, torch.float64))
        if len(told) > 1:
            told = told[sent(pair_groups(len(told), len(self.inv_freq)), device)]
        angle = told.mT * kept_on(device, self.inv_freq, self._copies)
        return angle.cos().to(like), angle.sin().to(like)

    def under(self, method: Method, length: int) -> "Rotary":
        turning = self.inv_freq > 0  # some models leave channels out by the frequency 0
        heard = self.inv_freq[turning]
        if (found := method.inv_freq(heard, length)) is heard:
            return self
        return replace(self, inv_freq=self.inv_freq.masked_scatter(turning, found))


def pair_groups(groups: int, pairs: int) -> Tensor:
    """The group of each pair of channels (pairs,), the fastest first: consecutive ones, as equal in size as whole pairs
    allow."""
    ends = (2 * torch.arange(1, groups) * pairs + groups) // (2 * groups)
    return torch.searchsorted(ends, torch.arange(pairs), right=True)


@dataclass(frozen=True)
class LongRope(Rotary):
    """LongRoPE (Ding et al. 2024, arXiv 2402.13753), as Phi-3 has it: two lists of frequencies. In texts of at most
    `switch` tokens every token hears `inv_freq`, in longer ones every token hears `long_inv_freq`."""

    long_inv_freq: Tensor = field(kw_only=True)
    switch: int = field(kw_only=True)

    @cached_property
    def _short(self) -> Rotary:
        return Rotary(self.inv_freq, self.interleaved)

    @cached_property
    def _long(self) -> Rotary:
        return Rotary(self.long_inv_freq, self.interleaved)

    def for_text(self, length: int) -> Rotary:
        """The same two objects each time, so that their frequencies are sent to a device once."""
        return self._short if length <= self.switch else self._long
