"""Time spent, without what passes while somebody else's work is done."""

import time
from collections.abc import Iterator
from typing import TypeVar

T = TypeVar("T")


class Clock:
    """Seconds by the clock on the wall and of the processor, while it goes."""

    def __init__(self) -> None:
        self._spent = (0.0, 0.0)
        self.go()

    def go(self) -> None:
        self._since = time.perf_counter(), time.process_time()

    def stop(self) -> tuple[float, float]:
        """What was spent so far: (wall, processor) [seconds]."""
        wall, processor = time.perf_counter() - self._since[0], time.process_time() - self._since[1]
        self._spent = self._spent[0] + wall, self._spent[1] + processor
        self.go()
        return self._spent

    def aside(self, step: T) -> Iterator[T]:
        """Hand on a step; what is done with it, the clock standing still, is on somebody else's account."""
        self.stop()
        yield step
        self.go()
