"""One query over the KV cache as it lies: what every written token costs.

Inside a band a key is turned to a position of its own, whichever query asks. So while tokens are written one by one,
the cache holds its keys once more, turned, and for each token only the query and its own key are turned, in one go
however many rotations they are, and stored in one go: on a device what is launched costs more than what is computed.
Nothing else is gathered or copied: in a softmax the order of keys does not matter, so keys are taken slice by slice, as
they lie.

Positions count from the beginning of the text. Angles are made in float64, whose error is at most 1.1e-16 of an angle:
2e-8 at position 2e8, less than float32 rounds a cosine by.
"""

from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import TypeGuard

import torch
from torch import Tensor

from longsight.attention.encoding import Encoding, Table, by_channel, rotate_few
from longsight.attention.kept_layer import KeptLayer, joined
from longsight.attention.kernels import merge, merge_outputs, one_query_kernel
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
    q_position: Tensor  # (1,) or (group, 1)
    biases: list[Tensor | None]  # (head, 1, key) each


@dataclass(frozen=True)
class Followed:
    """What a layer's copies turn for a token: its own key, unless that is among those that a copy moves, and these. In
    a copy that does not move them they are turned to where they stood."""

    name: Hashable
    turnings: list[Turning]
    own: bool
    moved: list[slice]
    slots: Tensor  # (slot,)
    told: list[Tensor]  # for one copy after the other, (some of slot,) or (group, some of slot) each

    def keys(self, kept: KeptLayer) -> list[Tensor]:
        """The keys in these slots, as they were projected."""
        return [kept.newest] * self.own + [kept.keys[:, :, slots] for slots in self.moved]

    def copies(self, kept: KeptLayer) -> TurnedKeys:
        """The layer's copies: made, or made anew, where they cannot simply go on."""
        copies = kept.turned.get(self.name)
        if copies is None or not copies.follows(kept, self.turnings):
            copies = kept.turned[self.name] = TurnedKeys.of(kept, self.turnings)
        return copies


@dataclass(frozen=True)
class OneQueryPlan:
    """Everything about a single query that depends on positions alone, shared by all layers with the same slots."""

    shares: list[Share]
    followed: Followed | None
    scale: Tensor | None  # (1, 1)
    encoding: Encoding
    like: Tensor
    _tables: dict[int, Table | None] = field(default_factory=dict)

    def table(self, group: int) -> Table | None:
        """All rotations of a layer in which `group` query heads share a key head, by channel: those of the query for
        each share, and then those of keys for each copy."""
        if group not in self._tables:
            told = [share.q_position.expand(*share.q_position.shape[:-1], group) for share in self.shares]
            told += self.followed.told if self.followed is not None else []
            groups = max((len(each) for each in told if each.ndim > 1), default=0)
            rows = torch.cat([each.expand(groups, -1) for each in told] if groups else told, dim=-1)
            table = self.encoding.table(rows, self.like)
            table = None if table is None else by_channel(table, self.encoding.interleaved)
            if self.scale is not None and self.scales(table):
                for each in table:
                    each[: group * len(self.shares)] *= self.scale
            self._tables[group] = table
        return self._tables[group]

    def scales(self, table: Table | None) -> TypeGuard[Table]:
        """Whether what turns the query also scales it: where it has a place for each of its channels."""
        return table is not None and table[0].shape[-1] == self.like.shape[-1]


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
    here, i, method = torch.tensor([kept.length - 1]), kept.latest, heard.method
    encoding, frequencies = heard.at(here)
    copies: dict[PositionMap, Turning] = {}  # bands that turn keys alike share a copy, ...
    met: dict[tuple[PositionMap, tuple[float, ...]], Met] = {}  # ... and a rotation, if they turn queries alike too
    for number, band in enumerate(method.bands):
        turned = copies.setdefault(band.k_position, Turning(number, band.k_position, encoding, frequencies, like))
        told = tuple(band.q_position(here).flatten().tolist())
        begin, following = (int(band.span.first(query)) for query in (here, here + 1))
        found = met.setdefault((band.k_position, told), Met(turned, band.q_position(i), []))
        found.slots += kept.slices(begin, int(band.span.last(here)))
        found.slides |= following > begin
    shares = [_share(kept, each) for each in _gathered(kept, [each for each in met.values() if each.slots])]
    used = list({share.turned.band: share.turned for share in shares if share.turned is not None}.values())
    scale = method.logit_scale(i)
    scale = None if scale is None else sent(scale, like.device, like.dtype)[:, None]
    followed = _followed(kept, (method, id(heard.encoding)), used) if used else None
    return OneQueryPlan(shares, followed, scale, encoding, like)


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
            told = each.turned.k_position(kept.positions_at(slots, kept.latest)) + shift
            most.turned.moved.append((slots, told))
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
    return Share(slots, turned if turned.turns else None, met.q_position, biases)


def _followed(kept: KeptLayer, name: Hashable, turnings: list[Turning]) -> Followed:
    moved, own = [slots for each in turnings for slots, _ in each.moved], kept.slot(kept.length - 1)
    alone = not any(slots.start <= own < slots.stop for slots in moved)
    slots, told = [kept.latest_slot] * alone, list[Tensor]()
    slots += [torch.arange(each.start, each.stop, device=kept.latest_slot.device) for each in moved]
    for each in turnings:
        told += [each.k_position(kept.latest)] * alone
        if each.moved:  # by one copy at most, see `_gathered`
            told += [position for _, position in each.moved]
        else:
            told += [each.k_position(kept.positions_at(there, kept.latest)) for there in moved]
    return Followed(name, turnings, alone, moved, sent(torch.cat(slots), turnings[0].like.device), told)


def copies_of_keys(method: Method, encoding: Encoding) -> int:
    """How many turned copies of its keys a layer holds while it writes, at most."""
    return sum(turns(k_position, encoding) for k_position in {band.k_position for band in method.bands})


def attend_one_query(
    q: Tensor, kept: KeptLayer, plan: OneQueryPlan, scaling: float, softcap: float | None = None, sums: bool = True
) -> tuple[Tensor, Tensor | None]:
    """Attention of the latest token -> (batch, head, 1, channel) and, where `sums` are asked for, log-sum-exp (batch,
    head, 1)."""
    batch, heads, _, _ = q.shape
    grouped = q.reshape(batch, kept.keys.shape[1], -1, q.shape[-1])
    queries, copies = _turned(grouped, kept, plan)
    parts = []
    for share, asking in zip(plan.shares, queries, strict=True):
        keys = kept.keys if share.turned is None else copies[share.turned.band]
        for slots, bias in zip(share.slots, share.biases, strict=True):
            parts.append(one_query_kernel(asking, keys[:, :, slots], kept.values[:, :, slots], bias, scaling, softcap))
    if not sums:
        return merge_outputs(parts).reshape(batch, heads, 1, -1), None
    out, lse = merge(parts)
    return out.reshape(batch, heads, 1, -1), lse.reshape(batch, heads, 1)


def _turned(q: Tensor, kept: KeptLayer, plan: OneQueryPlan) -> tuple[list[Tensor], dict[int, Tensor]]:
    """The query (batch, key_head, group, channel) as each share turns it, and by the number of their band the layer's
    copies of its keys, which are brought up to date."""
    group, followed = q.shape[2], plan.followed
    table = plan.table(group)
    if plan.scale is not None and not plan.scales(table):
        q = q * plan.scale
    if table is None:
        return [q] * len(plan.shares), {}
    pieces = [q] * len(plan.shares)
    if followed is not None:
        pieces += followed.keys(kept) * len(followed.turnings)
    turned = rotate_few(torch.cat(pieces, dim=2), table, plan.encoding.interleaved)
    queries = [turned[:, :, n * group : (n + 1) * group] for n in range(len(plan.shares))]
    if followed is None:
        return queries, {}
    copies, fresh = followed.copies(kept), turned[:, :, group * len(plan.shares) :]
    copies.follow(kept, followed.turnings, followed.slots, fresh.unflatten(2, (len(followed.turnings), -1)))
    return queries, {each.band: copies.keys[:, :, n] for n, each in enumerate(followed.turnings)}
