"""A copy of a layer's keys, each turned to a position of its own: made once, and followed token by token."""

from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Protocol

import torch
from torch import Tensor

from longsight.attention.encoding import Encoding, Table, rotate
from longsight.methods.bands import PositionMap, at


class StoredKeys(Protocol):
    """What a copy is made of: unrotated `keys` (batch, key_head, slot, channel) of a text of `length` tokens."""

    keys: Tensor
    length: int

    def stored_positions(self) -> Tensor:
        """The position of the key in each slot that is used, in the order of slots (key,)."""


@dataclass(frozen=True)
class Turning:
    """How the keys are turned that serve all bands with one `k_position`, when a query asks.

    `name` tells a layer's copies apart, and `frequencies` those of one copy as the text grows. The table of all keys is
    made once, and shared by all layers that have the same keys stored.
    """

    name: Hashable
    k_position: PositionMap
    encoding: Encoding
    frequencies: Hashable
    like: Tensor
    moved: list[tuple[slice, Tensor]] = field(default_factory=list)
    """Slots of few keys that are told other positions, and these: turned anew for each query."""
    _tables: list[Table | None] = field(default_factory=list)

    @property
    def turns(self) -> bool:
        """Whether it makes keys any other than they were projected."""
        return turns(self.k_position, self.encoding)

    def stored(self, positions: Tensor) -> Table | None:
        """The rotations of all stored keys, which stand at `positions` (key,)."""
        if not self._tables:
            self._tables.append(self.encoding.table(self.k_position(positions), self.like))
        return self._tables[0]


def turns(k_position: PositionMap, encoding: Encoding) -> bool:
    """Whether keys at these positions are any other than as they were projected."""
    return encoding.kind == "rope" and k_position is not at(0)


@dataclass
class TurnedKeys:
    """The copy, slot by slot, after `length` tokens. Keys in the slots `moved` stand where the last query had them."""

    keys: Tensor
    length: int
    frequencies: Hashable
    moved: list[slice]

    @staticmethod
    def of(stored: StoredKeys, turning: Turning) -> "TurnedKeys":
        """A new copy of all keys, where they stand before any is moved."""
        positions = stored.stored_positions()
        copy = TurnedKeys(torch.empty_like(stored.keys), stored.length, turning.frequencies, [])
        used = slice(0, len(positions))
        table, interleaved = turning.stored(positions), turning.encoding.interleaved
        rotate(stored.keys[:, :, used], table, interleaved, out=copy.keys[:, :, used])
        return copy

    def follows(self, stored: StoredKeys, turning: Turning) -> bool:
        """Whether one key at most is turned for the copy to be up to date, and none that was moved stands elsewhere
        again."""
        stay = all(
            any(new.start <= old.start and old.stop <= new.stop for new, _ in turning.moved) for old in self.moved
        )
        return stored.length - self.length <= 1 and self.frequencies == turning.frequencies and stay

    def follow(self, stored: StoredKeys, turning: Turning, slots: Tensor, keys: Tensor) -> None:
        """Put `keys` (batch, key_head, slot, channel) into `slots` (slot,): the latest one, and those that are
        moved."""
        if self.keys.shape[2] < stored.keys.shape[2]:
            self.keys = grown(self.keys, stored.keys.shape[2])
        self.keys.index_copy_(2, slots, keys)
        self.moved = [slots for slots, _ in turning.moved]
        self.length = stored.length


def grown(buffer: Tensor, size: int) -> Tensor:
    """A copy of `buffer` (batch, head, slot, channel) with room for `size` slots."""
    grown = buffer.new_zeros(*buffer.shape[:2], size, buffer.shape[3])
    grown[:, :, : buffer.shape[2]] = buffer
    return grown
