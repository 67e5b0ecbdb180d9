"""One layer of the KV cache: unrotated keys and values, and what the layer's rule lets go of."""

from collections.abc import Callable, Hashable, Iterable, Iterator
from copy import copy
from typing import NamedTuple

import torch
from torch import Tensor
from transformers.cache_utils import CacheLayerMixin

from longsight.attention.block_memory import BlockMemory
from longsight.attention.offloaded_keys import OffloadedKeys
from longsight.attention.turned_keys import TurnedKeys, grown
from longsight.errors import LongSightError

Slices = Callable[[int, int], list[slice]]
"""`first` and `last` -> where the keys at positions `first` to `last - 1` lie."""

UNLIMITED = 2**62
"""More slots than any text has tokens."""


class Counted(NamedTuple):
    """Where a token is that comes alone, by a count that the layer's device keeps: its position and its slot (1,)."""

    position: Tensor
    slot: Tensor


class KeptLayer(CacheLayerMixin):
    """One layer's keys and values (batch, head, slot, channel): the first `starting` tokens and the `window` latest.

    Token p < starting lives in slot p for ever; any other lives in slot starting + (p - starting) % window, so that the
    oldest token that no query can see any more is the one overwritten. `window=None` keeps everything.
    """

    is_sliding = False

    def __init__(self, starting: int, window: int | None, offloaded: OffloadedKeys | None = None) -> None:
        super().__init__()
        self.offloaded = offloaded  # everything, for a layer that fetches what it does not keep
        self.starting = starting
        self.window = UNLIMITED if window is None else window
        self.length = 0  # tokens read so far
        self.reserved = 0
        self.turned: dict[Hashable, TurnedKeys] = {}
        self.memories: dict[tuple[int, int], BlockMemory] = {}  # by the layer that fetches, and the row of the batch
        self.counted: Counted | None = None  # the token that is being read; None: `length` says where it is
        self._newest: Tensor | None = None  # the key of the last token, if it came alone
        self._ascending: Tensor | None = None  # positions of what the last update returned, if not as it lies

    @property
    def capacity(self) -> int:
        """The most slots this layer will ever use."""
        return self.starting + self.window

    @property
    def full(self) -> bool:
        """Whether each token that comes takes the place of another, and nothing else is written."""
        return self.is_initialized and self.length >= self.capacity and self.offloaded is None

    def count(self, position: Tensor) -> Counted:
        """Where a token at `position` (1,) goes that follows in a full layer."""
        return Counted(position, self.starting + (position - self.starting) % self.window)

    @property
    def nbytes(self) -> int:
        """Bytes of keys and values, of turned keys while there are any, and of what is remembered of blocks."""
        if not self.is_initialized:
            return 0
        turned, memories = [copy.keys for copy in list(self.turned.values())], list(self.memories.values())
        return self.keys.nbytes + self.values.nbytes + sum(more.nbytes for more in (*turned, *memories))

    @property
    def slot_bytes(self) -> tuple[int, int]:
        """Bytes of keys, and of values."""
        return (self.keys.nbytes, self.values.nbytes) if self.is_initialized else (0, 0)

    @property
    def positions(self) -> Tensor:
        """Of the keys that the last update returned (key,) int64."""
        return self.stored_positions() if self._ascending is None else self._ascending

    def lazy_initialization(self, key_states: Tensor, value_states: Tensor) -> None:
        self.keys = key_states.new_empty(*key_states.shape[:2], 0, key_states.shape[3])
        self.values = value_states.new_empty(*value_states.shape[:2], 0, value_states.shape[3])
        self.is_initialized = True

    @torch.compiler.disable  # which slots are written follows from the length, which a compiled graph would fix
    def update(
        self, key_states: Tensor, value_states: Tensor, *args: object, **kwargs: object
    ) -> tuple[Tensor, Tensor]:
        """Store new tokens and return the keys and values that their queries may see; `positions` names them.

        Several new tokens see them in ascending order of position. A single one gets the slots as they lie: in its
        softmax the order of keys does not matter, and nothing is copied.
        """
        key_states, value_states = key_states.detach(), value_states.detach()
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        if self.offloaded is not None:
            self.offloaded.append(key_states, value_states)
        n = key_states.shape[2]
        self._newest = key_states if n == 1 else None
        if n > 1:
            self.turned.clear()  # made anew when a single token follows
        if n > 1 and self.length + n > self.capacity:
            return self._update_past_capacity(key_states, value_states)
        slot = self.slot(self.length)
        self.length += n
        self._make_room()
        self._ascending = None
        if self.counted is None:
            self.keys[:, :, slot : slot + n] = key_states
            self.values[:, :, slot : slot + n] = value_states
        else:
            self.keys.index_copy_(2, self.counted.slot, key_states)
            self.values.index_copy_(2, self.counted.slot, value_states)
        used = min(self.length, self.capacity)
        return self.keys[:, :, :used], self.values[:, :, :used]

    def _update_past_capacity(self, key_states: Tensor, value_states: Tensor) -> tuple[Tensor, Tensor]:
        before, self.length = self.length, self.length + key_states.shape[2]
        starting = min(before, self.starting)
        old = max(starting, before - self.window)
        held = [*self.runs(0, starting), *self.runs(old, before)]
        keys = torch.cat([self.keys[:, :, slots] for slots in held] + [key_states], dim=2)
        values = torch.cat([self.values[:, :, slots] for slots in held] + [value_states], dim=2)
        later = torch.arange(old, self.length, device=key_states.device)
        self._ascending = torch.cat((torch.arange(starting, device=later.device), later))
        self._make_room()
        ring = max(before, self.starting, self.length - self.window)
        for first, last in ((before, self.starting), (ring, self.length)):
            at = first - before
            for slots in self.runs(first, last):
                some = slice(at, at := at + slots.stop - slots.start)
                self.keys[:, :, slots] = key_states[:, :, some]
                self.values[:, :, slots] = value_states[:, :, some]
        return keys, values

    def runs(self, first: int, last: int) -> Iterator[slice]:
        """The slots of the keys at positions `first` to `last - 1` while they are stored, in ascending order of
        position: slots that lie side by side, one run after the other."""
        while first < last:
            slot = self.slot(first)
            end = min(last - first + slot, self.starting if first < self.starting else self.capacity)
            yield slice(slot, end)
            first += end - slot

    def slot(self, position: int) -> int:
        """Where the key at `position` lies while it is stored."""
        return position if position < self.starting else self.starting + (position - self.starting) % self.window

    def slices(self, first: int, last: int) -> list[slice]:
        """Where the keys at positions `first` to `last - 1` lie, those of them that the last update returned: at most
        three pieces, in ascending order of slots."""
        if self._ascending is not None:
            begin = self.length + self.starting - len(self._ascending)  # of what follows the starting tokens
            later = slice(self.starting + max(first, begin) - begin, self.starting + last - begin)
            return joined([slice(first, min(last, self.starting)), later])
        begin, end = max(first, self.starting, self.length - self.window), min(last, self.length)
        return joined([slice(first, min(end, self.starting)), *self.runs(begin, end)])

    def _make_room(self) -> None:
        have, need = self.keys.shape[2], min(self.length, self.capacity)
        if need <= have:
            return
        wanted = self.reserved if self.reserved >= need else max(need, have * 5 // 4)
        size = min(wanted, self.capacity)
        self.keys = grown(self.keys, size)
        self.values = grown(self.values, size)

    def stored_positions(self) -> Tensor:
        """The position whose key each used slot holds, in slot order."""
        used = slice(0, min(self.length, self.capacity))
        if self.counted is not None:
            return self.positions_at(used, self.counted.position)
        return self.positions_at(used, torch.full((1,), self.length - 1, device=self.keys.device))

    @property
    def latest(self) -> Tensor:
        """The position of the latest key (1,)."""
        return torch.tensor([self.length - 1]) if self.counted is None else self.counted.position

    @property
    def latest_slot(self) -> Tensor:
        """Its slot (1,)."""
        return torch.tensor([self.slot(self.length - 1)]) if self.counted is None else self.counted.slot

    @property
    def newest(self) -> Tensor:
        """The latest key (batch, key_head, 1, channel)."""
        slot = self.slot(self.length - 1)
        return self.keys[:, :, slot : slot + 1] if self._newest is None else self._newest

    def positions_at(self, slots: slice, latest: Tensor) -> Tensor:
        """The positions of the keys in `slots` (slot,) while that of the latest key is `latest` (1,), whose device they
        are on."""
        each = torch.arange(slots.start, slots.stop, device=latest.device)
        if self.length <= self.capacity or slots.stop <= self.starting:
            return each
        return torch.where(each < self.starting, each, latest - (latest - each) % self.window)

    def whole(self, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """The keys and values of all of the text, of which the last update returned `keys` and `values`."""
        return (keys, values) if self.offloaded is None else self.offloaded.whole()

    def reserve(self, length: int) -> None:
        """Announce a text of `length` tokens, so that its room is taken once and not in growing steps."""
        self.reserved = length

    def get_seq_length(self) -> int:
        return self.length

    def get_max_length(self) -> int:
        return -1

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        return self.length + query_length, 0

    def fork(self) -> "KeptLayer":
        """A layer that holds the same and goes on by itself; it turns keys of its own."""
        fork = copy(self)
        fork.turned, fork.counted, fork._newest = {}, None, None
        fork.memories = {name: memory.fork() for name, memory in self.memories.items()}
        if self.is_initialized:
            fork.keys, fork.values = self.keys.clone(), self.values.clone()
        if self.offloaded is not None:
            fork.offloaded = self.offloaded.fork()
        return fork

    def take_back(self) -> None:
        """Forget the latest token, which came alone. In a full layer its slot is that of the key `window` tokens before
        it, which only earlier queries saw, and of the next token."""
        self.length -= 1
        self.turned.clear()
        self.counted = self._newest = None

    def reset(self) -> None:
        self.keys = self.values = self._newest = None
        self.turned.clear()
        self.memories.clear()
        if self.offloaded is not None:
            self.offloaded = OffloadedKeys(self.offloaded.place)
        self.is_initialized, self.length = False, 0

    def crop(self, tokens_to_remove: int) -> None:
        raise LongSightError(
            "Assisted decoding takes tokens back, but this cache may already have let go of what they replaced; "
            "generate without an assistant model."
        )

    def reorder_cache(self, beam_idx: Tensor) -> None:
        """Each row goes on from the row of that number, as beams do."""
        self.batch_select_indices(beam_idx)

    def batch_repeat_interleave(self, repeats: int) -> None:
        self.batch_select_indices(torch.arange(self._batch).repeat_interleave(repeats))

    def batch_select_indices(self, indices: Tensor) -> None:
        for turned in self.turned.values():
            turned.keys = turned.keys[indices]
        rows = torch.arange(self._batch)[indices.cpu()]
        self._pick_memories(rows.tolist())
        if self.offloaded is not None:
            self.offloaded = self.offloaded.picked(rows)
        if self.is_initialized:
            self.keys, self.values = self.keys[indices], self.values[indices]

    @property
    def _batch(self) -> int:
        return len(self.keys) if self.is_initialized else 0

    def _pick_memories(self, rows: list[int]) -> None:
        """Row n goes on from what was row `rows[n]`."""
        before, layers = self.memories, {layer for layer, _ in self.memories}
        self.memories = {
            (layer, n): before[layer, row].fork()
            for layer in layers
            for n, row in enumerate(rows)
            if (layer, row) in before
        }


def joined(slices: Iterable[slice]) -> list[slice]:
    """Disjoint slices in ascending order, neighbours made one, and without those that are empty."""
    found: list[slice] = []
    for each in sorted((each for each in slices if each.start < each.stop), key=lambda each: each.start):
        if found and found[-1].stop == each.start:
            found[-1] = slice(found[-1].start, each.stop)
        else:
            found.append(each)
    return found
