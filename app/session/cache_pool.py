"""Caches at rest between two questions: kept so that a follow-up need not read the text again, within a budget."""

import threading
import weakref
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from app.session.answers import Speaker

SHARE = 0.25
"""The part of the free memory that all resting caches together may take."""


class CachePool:
    """Remembers who holds a resting cache, in order of last use; frees the oldest when all together are too much."""

    def __init__(self) -> None:
        self._holders: list[weakref.ref[Speaker]] = []
        self._guard = threading.Lock()

    def put(self, speaker: "Speaker", free: int) -> None:
        """Note that `speaker` has a cache at rest, when `free` bytes of memory are left besides."""
        with self._guard:
            holders = [holder for holder in self._resting() if holder is not speaker] + [speaker]
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

    def _resting(self) -> "list[Speaker]":
        return [holder for ref in self._holders if (holder := ref()) is not None and holder.cache is not None]


pool = CachePool()
"""The one pool of this process."""
