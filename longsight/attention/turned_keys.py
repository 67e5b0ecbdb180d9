"""Copies of a layer's keys, each turned to a position of its own: made once, and followed token by token."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from torch import Tensor

from longsight.attention.encoding import Encoding, Table, rotate
from longsight.methods.bands import PositionMap, at


class StoredKeys(Protocol):
    """What copies are made of: unrotated `keys` (batch, key_head, slot, channel) of a text of `length` tokens."""

    keys: Tensor
    length: int

    def stored_positions(self) -> Tensor:
        """The position of the key in each slot that is used, in the order of slots (key,)."""


@dataclass(frozen=True)
class Turning:
    """How the keys of one copy are turned, which serves all bands with one `k_position`, when a query asks.

    `band` is the number of the first of these, and `frequencies` tell apart those of one copy as the text grows. The
    table of all keys is made once, and shared by all layers that have the same keys stored.
    """

    band: int
    k_position: PositionMap
    encoding: Encoding
    frequencies: Hashable
    like: Tensor
    moved: list[tuple[slice, Tensor]] = field(default_factory=list)
    """Slots of few keys that are told other positions, and these: turned anew for each query."""
    _tables: list[Table | None] = field(default_factory=list)

    @property
    def kind(self) -> Hashable:
        """Equal in two turnings that turn equal keys alike."""
        return self.band, self.frequencies

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
    """The copies, in one buffer (batch, key_head, copy, slot, channel), after `length` tokens. Keys in the slots that
    each has `moved` stand where the last query had them."""

    keys: Tensor
    length: int
    kinds: list[Hashable]
    moved: list[list[slice]]

    @staticmethod
    def of(stored: StoredKeys, turnings: Sequence[Turning]) -> "TurnedKeys":
        """New copies of all keys, where they stand before any is moved."""
        positions = stored.stored_positions()
        used = slice(0, len(positions))
        shape = stored.keys.shape
        keys = stored.keys.new_empty(*shape[:2], len(turnings), *shape[2:])
        for n, turning in enumerate(turnings):
            table, interleaved = turning.stored(positions), turning.encoding.interleaved
            rotate(stored.keys[:, :, used], table, interleaved, out=keys[:, :, n, used])
        return TurnedKeys(keys, stored.length, [each.kind for each in turnings], [[] for _ in turnings])

    def follows(self, stored: StoredKeys, turnings: Sequence[Turning]) -> bool:
        """Whether one key at most is turned for the copies to be up to date, and none that was moved stands elsewhere
        again."""
        if stored.length - self.length > 1 or self.kinds != [each.kind for each in turnings]:
            return False
        return all(
            any(new.start <= old.start and old.stop <= new.stop for new, _ in turning.moved)
            for turning, moved in zip(turnings, self.moved, strict=True)
            for old in moved
        )

    def follow(self, stored: StoredKeys, turnings: Sequence[Turning], slots: Tensor, keys: Tensor) -> None:
        """Put `keys` (batch, key_head, copy, slot, channel) into `slots` (slot,): the latest one, and those that any
        copy moves."""
        if self.keys.shape[3] < stored.keys.shape[2]:
            self.keys = grown(self.keys, stored.keys.shape[2])
        self.keys.index_copy_(3, slots, keys)
        self.moved = [[slots for slots, _ in turning.moved] for turning in turnings]
        self.length = stored.length


def grown(buffer: Tensor, size: int) -> Tensor:
    """A copy of `buffer` (..., slot, channel) with room for `size` slots, of which those beyond it hold nothing yet: to
    fill the room of a long text at once would be a second in which nothing is read."""
    grown = buffer.new_empty(*buffer.shape[:-2], size, buffer.shape[-1])
    grown[..., : buffer.shape[-2], :] = buffer
    return grown
