"""What a model makes of a distance: the interface that rotations (rope.py) and biases (alibi.py) implement."""

from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor

from longsight.methods import Method

Table = tuple[Tensor, Tensor]
"""Cosines and sines, each (position, rotary_dim / 2)."""


class Encoding:
    """A position encoding. As it stands: none at all (NoPE), for models some of whose layers hear no positions.

    Attention needs it in three forms: the logit of a pair (the definition), a rotation and a bias for queries and keys
    that each have a position (for bands), and one for a single query's distances.
    """

    kind: ClassVar[str] = "none"
    name: ClassVar[str] = "no positions"
    interleaved: bool = False
    switch: int | None = None
    """The longest text [tokens] before it becomes another encoding (see `for_text`); None: it never does."""

    def for_text(self, length: int) -> "Encoding":
        """What it is in a text that is `length` tokens long as a whole, to all of its tokens alike."""
        return self

    def logits(self, q: Tensor, k: Tensor, distance: Tensor, scaling: float) -> Tensor:
        """Logits (batch, head, query, key) of q and k (batch, head, token, channel) that stand `distance` (query, key),
        or (group, query, key), apart: the definition."""
        return q @ k.mT * scaling

    def table(self, positions: Tensor, like: Tensor) -> Table | None:
        """The rotation of queries or keys at `positions` (n,), or (group, n) where groups of frequencies are told
        different ones, in the dtype and on the device of `like`."""
        return None

    def relative_table(self, distance: Tensor, like: Tensor) -> Table | None:
        """The rotation of keys that an unrotated query sees `distance` (n,), or (group, n), away."""
        return self.table(-distance, like)

    def bias(self, positions: Tensor) -> Tensor | None:
        """What keys at `positions` (n,), or (group, n), add to their logits -> (head, n) float64; queries there add the
        negative."""
        return None

    def under(self, method: Method, length: int) -> "Encoding":
        """This encoding as `method` changes it for queries whose text is `length` tokens long."""
        return self

    def of_heads(self, heads: Sequence[int]) -> "Encoding":
        """What some of a layer's query heads hear; the very same object where all heads hear alike."""
        return self


def rotate(x: Tensor, table: Table | None, interleaved: bool = False, out: Tensor | None = None) -> Tensor:
    """Rotate `x` (batch, head, token, channel) by a table with one row per token, into `out` where that is given.

    Channel f turns with channel f + rotary_dim / 2, or 2f with 2f + 1 when `interleaved`; channels from rotary_dim on
    stay as they are.
    """
    if table is None:
        return x
    cos, sin = table
    turned = 2 * cos.shape[-1]
    out = torch.empty_like(x) if out is None else out
    partly = turned < x.shape[-1]
    (a, b), (left, right) = (pairs(each[..., :turned] if partly else each, interleaved) for each in (x, out))
    torch.mul(a, cos, out=left).addcmul_(b, sin, value=-1)  # in place: at one query per step this is most of the work
    torch.mul(b, cos, out=right).addcmul_(a, sin)
    if partly:
        out[..., turned:] = x[..., turned:]
    return out


def by_channel(table: Table, interleaved: bool) -> Table:
    """Cosines and sines (position, rotary_dim), one for each channel: those of sines with the sign of its partner."""
    cos, sin = table
    if interleaved:
        return torch.stack((cos, cos), -1).flatten(-2), torch.stack((-sin, sin), -1).flatten(-2)
    return torch.cat((cos, cos), -1), torch.cat((-sin, sin), -1)


def rotate_few(x: Tensor, table: Table, interleaved: bool) -> Tensor:
    """`rotate` by a table that is `by_channel`, bit for bit: fewer calls, and one more copy of `x`."""
    cos, sin = table
    turned = cos.shape[-1]
    part = x if turned == x.shape[-1] else x[..., :turned]
    partner = part.unflatten(-1, (-1, 2)).flip(-1).flatten(-2) if interleaved else part.roll(turned // 2, -1)
    out = torch.mul(part, cos).addcmul_(partner, sin)
    return out if part is x else torch.cat((out, x[..., turned:]), -1)


def pairs(x: Tensor, interleaved: bool) -> tuple[Tensor, Tensor]:
    """The two channels of each rotating pair, (..., rotary_dim / 2) each."""
    if interleaved:
        return x[..., 0::2], x[..., 1::2]
    return x.chunk(2, dim=-1)
