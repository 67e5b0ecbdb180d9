"""The KV cache: unrotated keys and values, and what a method lets go of.

Keys are stored as the model projected them, before any rotation, so that one cache serves every band (and every later
query) at whatever position the method gives it.
"""

from array import array
from collections.abc import Sequence
from copy import copy
from typing import Any

import torch
from torch import Tensor
from transformers.cache_utils import Cache as TransformersCache
from transformers.cache_utils import CacheLayerMixin

from longsight.errors import LongSightError
from longsight.methods import Method
from longsight.methods.bands import EVERYTHING, Footprint, cache_footprint

UNLIMITED = 2**62
"""More slots than any text has tokens."""


class KeptLayer(CacheLayerMixin):
    """One layer's keys and values (batch, head, slot, channel): the first `starting` tokens and the `window` latest.

    Token p < starting lives in slot p for ever; any other lives in slot starting + (p - starting) % window, so that the
    oldest token that no query can see any more is the one overwritten. `window=None` keeps everything.
    """

    is_sliding = False

    def __init__(self, starting: int, window: int | None) -> None:
        super().__init__()
        self.starting = starting
        self.window = UNLIMITED if window is None else window
        self.length = 0  # tokens read so far
        self.reserved = 0
        self.positions = torch.empty(0, dtype=torch.int64)  # of the keys that the last update returned

    @property
    def capacity(self) -> int:
        """The most slots this layer will ever use."""
        return self.starting + self.window

    @property
    def nbytes(self) -> int:
        return self.keys.nbytes + self.values.nbytes if self.is_initialized else 0

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
        n = key_states.shape[2]
        device = key_states.device
        if self.length + n <= self.capacity:
            self._write(key_states, value_states, torch.arange(self.length, self.length + n, device=device))
            self.positions = torch.arange(self.length, device=device)
            return self.keys[:, :, : self.length], self.values[:, :, : self.length]
        if n == 1:
            self._write(key_states, value_states, torch.tensor([self.length], device=device))
            self.positions = self._stored_positions(device)
            return self.keys, self.values
        return self._update_past_capacity(key_states, value_states)

    def _update_past_capacity(self, key_states: Tensor, value_states: Tensor) -> tuple[Tensor, Tensor]:
        device, n = key_states.device, key_states.shape[2]
        used = min(self.length, self.capacity)
        old, order = torch.sort(self._stored_positions(device)[:used])
        new = torch.arange(self.length, self.length + n, device=device)
        keys = torch.cat((self.keys[:, :, order], key_states), dim=2)
        values = torch.cat((self.values[:, :, order], value_states), dim=2)
        self.positions = torch.cat((old, new))
        kept = (new < self.starting) | (new >= self.length + n - self.window)
        self._write(key_states[:, :, kept], value_states[:, :, kept], new[kept], read=n)
        return keys, values

    def _write(self, key_states: Tensor, value_states: Tensor, positions: Tensor, read: int | None = None) -> None:
        self.length += len(positions) if read is None else read
        self._make_room()
        ring = self.starting + (positions - self.starting) % self.window
        slots = torch.where(positions < self.starting, positions, ring)
        self.keys[:, :, slots] = key_states
        self.values[:, :, slots] = value_states

    def _make_room(self) -> None:
        have, need = self.keys.shape[2], min(self.length, self.capacity)
        if need <= have:
            return
        size = min(max(need, self.reserved, have * 5 // 4), self.capacity)
        self.keys = _grown(self.keys, size)
        self.values = _grown(self.values, size)

    def _stored_positions(self, device: torch.device) -> Tensor:
        """The position whose key each used slot holds, in slot order."""
        slots = torch.arange(min(self.length, self.capacity), device=device)
        if self.length <= self.capacity:
            return slots
        latest = self.length - 1
        ago = (latest - self.starting - (slots - self.starting)) % self.window
        return torch.where(slots < self.starting, slots, latest - ago)

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
        """A layer that holds the same and goes on by itself."""
        fork = copy(self)
        if self.is_initialized:
            fork.keys, fork.values = self.keys.clone(), self.values.clone()
        return fork

    def reset(self) -> None:
        self.keys = self.values = None
        self.is_initialized, self.length = False, 0

    def crop(self, tokens_to_remove: int) -> None:
        raise LongSightError(
            "Assisted decoding takes tokens back, but this cache may already have let go of what they replaced; "
            "generate without an assistant model."
        )

    def batch_repeat_interleave(self, repeats: int) -> None:
        if self.is_initialized:
            self.keys, self.values = (x.repeat_interleave(repeats, dim=0) for x in (self.keys, self.values))

    def batch_select_indices(self, indices: Tensor) -> None:
        if self.is_initialized:
            self.keys, self.values = self.keys[indices], self.values[indices]


def _grown(buffer: Tensor, size: int) -> Tensor:
    """A copy of `buffer` (batch, head, slot, channel) with room for `size` slots."""
    grown = buffer.new_zeros(*buffer.shape[:2], size, buffer.shape[3])
    grown[:, :, : buffer.shape[2]] = buffer
    return grown


class Cache(TransformersCache):
    """The KV cache of a text under one method, which comes down to a rule in each layer. It is an explicit argument and
    can be continued.

    `length` [tokens] read so far, `nbytes` [bytes] held, `ids` the tokens read (kept by `prefill` and `decode`). With
    `padded` every layer keeps everything: the rows of a padded batch let go of tokens at different times. `users`: the
    last layer that uses the keys of each (see `last_users`).
    """

    def __init__(
        self, method: Method, rules: Sequence[Method], padded: bool = False, users: Sequence[int] | None = None
    ) -> None:
        users = range(len(rules)) if users is None else users
        footprints = [EVERYTHING if padded else kept(rule, n) for rule, n in zip(rules, users, strict=True)]
        super().__init__(layers=[KeptLayer(*footprint) for footprint in footprints])
        self.method = method
        self.rules = tuple(rules)
        self.padded = padded
        self.announced = 0  # the length of the text that is being read, as far as anyone has said
        self.text = 0  # the length of text that was known when its last tokens were read
        self.spoilt = False  # a call failed on its way through the layers: some have read what others have not
        # While a forward pass runs: what it knows, for layers that are handed nothing but the cache.
        self.chunk: Any = None
        self.ids = array("q")

    @property
    def length(self) -> int:
        return self.get_seq_length()

    @property
    def nbytes(self) -> int:
        return sum(layer.nbytes for layer in self.layers)

    def fork(self) -> "Cache":
        """A cache that has read the same and goes on by itself: what one of the two reads, the other does not see."""
        fork = Cache(self.method, (), self.padded)
        fork.rules = self.rules
        fork.layers = [layer.fork() for layer in self.layers]
        fork.ids, fork.spoilt = self.ids[:], self.spoilt
        fork.announced, fork.text = self.announced, self.text
        return fork

    def reserve(self, length: int) -> None:
        """Announce a text of `length` tokens: its room is taken at once, and where a model hears long texts otherwise
        than short ones, it is heard as what it is from its first token on."""
        self.announced = length
        for layer in self.layers:
            layer.reserve(length)

    def restart(self) -> None:
        """Forget everything, to be read into anew."""
        for layer in self.layers:
            layer.reset()
        self.announced = self.text = 0
        self.ids = array("q")


def kept(method: Method, layer: int) -> Footprint:
    """The keys that `layer` must remember under `method`: a layer that fetches remembers everything."""
    retrieval = method.retrieval
    if retrieval is not None and layer >= retrieval.from_layer:
        return EVERYTHING
    return cache_footprint(method.bands)


def receptive_field(rules: Sequence[Method]) -> tuple[int, int] | None:
    """The receptive field `(starting, latest)` of layers with these rules: the first and the last tokens of a text that
    can have a part in what comes after it; None: all of them can.

    Each layer looks back by its window, at what the layer below made of a window before.
    """
    found = [kept(rule, layer) for layer, rule in enumerate(rules)]
    if any(window is None for _, window in found):
        return None
    return max(starting for starting, _ in found), sum(window for _, window in found if window is not None)


def slots(rules: Sequence[Method], length: int, users: Sequence[int]) -> list[int]:
    """How many keys each layer holds after `length` tokens under its rule, for itself and the layers that use them."""
    found = [kept(rule, user) for rule, user in zip(rules, users, strict=True)]
    return [length if window is None else min(length, starting + window) for starting, window in found]
