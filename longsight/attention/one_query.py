"""One query over the KV cache as it lies: what every written token costs.

Inside a band a key is turned to a position of its own, whichever query asks. So while tokens are written one by one,
the cache holds its keys once more, turned, and for each token only the query and its own key are turned. Nothing is
gathered or copied: in a softmax the order of keys does not matter, so keys are taken slice by slice, as they lie.

Positions count from the beginning of the text. Angles are made in float64, whose error is at most 1.1e-16 of an angle:
2e-8 at position 2e8, less than float32 rounds a cosine by.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from longsight.attention.encoding import Encoding, Table, rotate
from longsight.attention.kept_layer import KeptLayer, joined
from longsight.attention.kernels import merge, one_query_kernel
from longsight.attention.transfer import sent
from longsight.attention.turned_keys import TurnedKeys, Turning, turns
from longsight.methods import Method
from longsight.methods.bands import PositionMap

FEW = 128
"""As many keys are turned anew for each query sooner than a second call of a kernel is made."""


@dataclass(frozen=True)
class Share:
    """Keys that the query meets under one rotation: slices of the cache's slots, turned or (None) as they were
    projected."""

    slots: list[slice]
    turned: Turning | None
    q_table: Table | None
    biases: list[Tensor | None]  # (head, 1, key) each


@dataclass(frozen=True)
class OneQueryPlan:
    """Everything about a single query that depends on positions alone, shared by all layers with the same slots."""

    shares: list[Share]
    scale: Tensor | None  # (1, 1)
    interleaved: bool


@dataclass
class Met:
    """Keys that a query meets under one rule of distance: in a copy of their own, or moved into that of another."""

    turned: Turning
    q_position: Tensor  # (1,) or (group, 1)
    slots: list[slice]
    slides: bool = False  # whether the next query no longer meets the first of them here

    @property
    def keys(self) -> int:
        return sum(each.stop - each.start for each in self.slots)


@dataclass(frozen=True)
class Heard:
    """How a layer hears positions: under its rule, by its encoding, in a text that is `text` tokens long as a whole."""

    method: Method
    encoding: Encoding
    text: int = 0

    def at(self, i: Tensor) -> tuple[Encoding, tuple[int, bool]]:
        """The encoding of a query at `i` (1,), and what tells it from that of other queries."""
        length, switch = self.method.length_at(i), self.encoding.switch
        encoding = self.encoding.for_text(self.text).under(self.method, length)
        return encoding, (length, switch is not None and self.text > switch)


def plan_one(kept: KeptLayer, heard: Heard, like: Tensor) -> OneQueryPlan:
    """Plan attention of the latest token that `kept` has stored; `like` are its queries."""
    i, method = torch.tensor([kept.length - 1]), heard.method
    encoding, frequencies = heard.at(i)
    copies: dict[PositionMap, Turning] = {}  # bands that turn keys alike share a copy, ...
    met: dict[tuple[PositionMap, tuple[float, ...]], Met] = {}  # ... and a rotation, if they turn queries alike too
    for number, band in enumerate(method.bands):
        name = (method, id(heard.encoding), number)
        turned = copies.setdefault(band.k_position, Turning(name, band.k_position, encoding, frequencies, like, i))
        position = band.q_position(i)
        begin, following = (int(band.span.first(query)) for query in (i, i + 1))
        told = tuple(position.flatten().tolist())
        found = met.setdefault((band.k_position, told), Met(turned, position, []))
        found.slots += kept.slices(begin, int(band.span.last(i)))
        found.slides |= following > begin
    shares = [_share(kept, each) for each in _gathered(kept, [each for each in met.values() if each.slots])]
    scale = method.logit_scale(i)
    scale = None if scale is None else sent(scale, like.device, like.dtype)[:, None]
    return OneQueryPlan(shares, scale, encoding.interleaved)


def _gathered(kept: KeptLayer, met: list[Met]) -> list[Met]:
    """Few keys are moved to where most keys are, and stay so: one kernel call less for a query."""
    most = max(met, key=lambda each: each.keys)
    if not most.turned.turns:
        return met
    left = [most]
    for each in met:
        if each is most:
            continue
        if each.keys > FEW or each.slides:
            left.append(each)
            continue
        shift = most.q_position - each.q_position
        for slots in joined(each.slots):
            told = each.turned.k_position(kept.positions[slots]) + sent(shift, kept.keys.device)
            most.turned.moved.append((slots, most.turned.encoding.table(told, most.turned.like)))
        most.slots += each.slots
    return left


def _share(kept: KeptLayer, met: Met) -> Share:
    turned, slots = met.turned, joined(met.slots)
    encoding, like = turned.encoding, turned.like
    biases: list[Tensor | None] = [None] * len(slots)
    if encoding.kind == "alibi":
        told = encoding.bias(turned.k_position(kept.positions) - sent(met.q_position, kept.keys.device))
        assert told is not None
        biases = [told[:, each].to(like.device, torch.float32)[:, None] for each in slots]
    return Share(slots, turned if turned.turns else None, encoding.table(met.q_position, like), biases)


def copies_of_keys(method: Method, encoding: Encoding) -> int:
    """How many turned copies of its keys a layer holds while it writes, at most."""
    return sum(turns(k_position, encoding) for k_position in {band.k_position for band in method.bands})


def attend_one_query(
    q: Tensor, kept: KeptLayer, plan: OneQueryPlan, scaling: float, softcap: float | None = None
) -> tuple[Tensor, Tensor]:
    """Attention of the latest token -> (batch, head, 1, channel) and log-sum-exp (batch, head, 1)."""
    if plan.scale is not None:
        q = q * plan.scale
    parts = []
    for share in plan.shares:
        keys = kept.keys if share.turned is None else _turned_keys(kept, share.turned)
        turned_q = rotate(q, share.q_table, plan.interleaved)
        for slots, bias in zip(share.slots, share.biases, strict=True):
            parts.append(
                one_query_kernel(turned_q, keys[:, :, slots], kept.values[:, :, slots], bias, scaling, softcap)
            )
    return merge(parts)


def _turned_keys(kept: KeptLayer, turned: Turning) -> Tensor:
    """The layer's copy, up to date: made, or made anew, where it cannot simply go on."""
    copy = kept.turned.get(turned.name)
    if copy is None or not copy.follows(kept, turned):
        copy = kept.turned[turned.name] = TurnedKeys.of(kept, turned)
    else:
        copy.follow(kept, turned)
    return copy.keys
