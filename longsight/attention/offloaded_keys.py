"""Keys and values that only fetching can reach, in memory beside the device's."""

from dataclasses import dataclass

import torch
from torch import Tensor

from longsight.attention.turned_keys import grown


@dataclass
class OffloadedKeys:
    """All keys and values (batch, key_head, key, channel) of a text, in its order, in the memory of `place`.

    The device keeps what bands can show; what is fetched is chosen here, but for blocks, and brought there.
    """

    place: torch.device
    keys: Tensor | None = None
    values: Tensor | None = None
    length: int = 0

    @property
    def nbytes(self) -> int:
        return 0 if self.keys is None or self.values is None else self.keys.nbytes + self.values.nbytes

    def append(self, keys: Tensor, values: Tensor) -> None:
        """Add those of new tokens."""
        self.keys, self.values = (
            self._longer(stored, new) for stored, new in ((self.keys, keys), (self.values, values))
        )
        self.length += keys.shape[2]

    def _longer(self, stored: Tensor | None, new: Tensor) -> Tensor:
        stored = new.new_empty(*new.shape[:2], 0, new.shape[3], device=self.place) if stored is None else stored
        end = self.length + new.shape[2]
        if end > stored.shape[2]:
            stored = grown(stored, max(end, stored.shape[2] * 5 // 4))
        stored[:, :, self.length : end] = new
        return stored

    def whole(self) -> tuple[Tensor, Tensor]:
        """The keys and values of the text so far."""
        assert self.keys is not None
        assert self.values is not None
        return self.keys[:, :, : self.length], self.values[:, :, : self.length]

    def fork(self) -> "OffloadedKeys":
        """One that holds the same and goes on by itself."""
        return self.picked(None)

    def picked(self, rows: Tensor | None) -> "OffloadedKeys":
        """A copy whose row n is row `rows[n]` of this one."""
        if self.keys is None or self.values is None:
            return OffloadedKeys(self.place)
        chosen = torch.arange(len(self.keys)) if rows is None else rows
        at = chosen.to(self.place)
        return OffloadedKeys(self.place, self.keys[at], self.values[at], self.length)
