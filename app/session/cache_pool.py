"""Caches at rest between two questions: kept so that a follow-up need not read the text again, within a budget."""

import threading
import weakref
from typing import Protocol

SHARE = 0.25
"""The part of the free memory that all resting caches together may take."""


class CacheHolder(Protocol):
    """Whoever keeps a cache; 0 bytes: none any more."""

    @property
    def nbytes(self) -> int: ...

    def free(self) -> None: ...


class CachePool:
    """Remembers who holds a resting cache, in order of last use; frees the oldest when all together are too much."""

    def __init__(self) -> None:
        self._holders: list[weakref.ref[CacheHolder]] = []
        self._guard = threading.Lock()

    def put(self, owner: CacheHolder, free: int) -> None:
        """Note that `owner` has a cache at rest, when `free` bytes of memory are left besides."""
        with self._guard:
            holders = [holder for holder in self._resting() if holder is not owner] + [owner]
            budget = SHARE * (free + sum(holder.nbytes for holder in holders))
            while len(holders) > 1 and sum(holder.nbytes for holder in holders) > budget:
                holders.pop(0).free()
            self._holders = [weakref.ref(holder) for holder in holders]

    def clear(self) -> None:
        """Free every resting cache; their owners will have to read again."""
        with self._guard:
            for holder in self._resting():
                holder.free()
            self._holders = []

    @property
    def nbytes(self) -> int:
        with self._guard:
            return sum(holder.nbytes for holder in self._resting())

    def _resting(self) -> list[CacheHolder]:
        return [holder for ref in self._holders if (holder := ref()) is not None and holder.nbytes > 0]


pool = CachePool()
"""The one pool of this process."""
