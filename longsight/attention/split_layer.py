"""One layer of the KV cache whose key/value heads follow rules of their own."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor
from transformers.cache_utils import CacheLayerMixin

from longsight.attention.kept_layer import KeptLayer


@dataclass
class HeadKeys:
    """What is kept of some key/value `heads` of a layer. `given` is what the last update gave its queries to see, until
    they have."""

    heads: tuple[int, ...]
    kept: KeptLayer
    given: tuple[Tensor, Tensor] | None = None
    _places: dict[tuple[int, torch.device], slice | Tensor] = field(default_factory=dict)

    def taken(self) -> tuple[Tensor, Tensor]:
        """The keys and values that the last update gave."""
        assert self.given is not None, "a layer attends after its keys were stored"
        return self.given

    def queries(self, each: int) -> list[int]:
        """The query heads that share these, `each` of them one."""
        return [head * each + n for head in self.heads for n in range(each)]

    def places(self, each: int, device: torch.device) -> slice | Tensor:
        """Where those query heads stand among all, or with 1 the heads themselves; made once for a device."""
        if (each, device) not in self._places:
            found = self.queries(each)
            together = len(found) == found[-1] + 1 - found[0]
            place = slice(found[0], found[-1] + 1) if together else torch.tensor(found, device=device)
            self._places[each, device] = place
        return self._places[each, device]


class SplitLayer(CacheLayerMixin):
    """Keys and values of one layer, in parts that each let go of what their rule does not need.

    They differ in length, so that an update gives back no more than it was given, and attention takes what it sees from
    the `parts`.
    """

    is_sliding = False

    def __init__(self, parts: Sequence[HeadKeys]) -> None:
        super().__init__()
        self.parts = tuple(parts)

    @property
    def heads(self) -> int:
        return sum(len(part.heads) for part in self.parts)

    @property
    def each(self) -> tuple[KeptLayer, ...]:
        return tuple(part.kept for part in self.parts)

    @property
    def nbytes(self) -> int:
        return sum(kept.nbytes for kept in self.each)

    def lazy_initialization(self, key_states: Tensor, value_states: Tensor) -> None:
        self.is_initialized = True

    @torch.compiler.disable
    def update(
        self, key_states: Tensor, value_states: Tensor, *args: object, **kwargs: object
    ) -> tuple[Tensor, Tensor]:
        """Store new tokens."""
        self.is_initialized = True
        for part in self.parts:
            heads = part.places(1, key_states.device)
            part.given = part.kept.update(key_states[:, heads], value_states[:, heads])
        return key_states, value_states

    def release(self) -> None:
        """The queries have seen what the last update gave them."""
        for part in self.parts:
            part.given = None

    def reserve(self, length: int) -> None:
        """Announce a text of `length` tokens."""
        for kept in self.each:
            kept.reserve(length)

    def get_seq_length(self) -> int:
        return self.each[0].get_seq_length()

    def get_max_length(self) -> int:
        return -1

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        return self.each[0].get_mask_sizes(query_length)

    def fork(self) -> "SplitLayer":
        """A layer that holds the same and goes on by itself."""
        fork = SplitLayer([HeadKeys(part.heads, part.kept.fork(), None, part._places) for part in self.parts])
        fork.is_initialized = self.is_initialized
        return fork

    def reset(self) -> None:
        self.is_initialized = False
        for kept in self.each:
            kept.reset()

    def crop(self, tokens_to_remove: int) -> None:
        self.each[0].crop(tokens_to_remove)

    def reorder_cache(self, beam_idx: Tensor) -> None:
        self.batch_select_indices(beam_idx)

    def batch_repeat_interleave(self, repeats: int) -> None:
        for kept in self.each:
            kept.batch_repeat_interleave(repeats)

    def batch_select_indices(self, indices: Tensor) -> None:
        for kept in self.each:
            kept.batch_select_indices(indices)
