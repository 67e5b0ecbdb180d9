"""One model call at a time on each device, in the order of arrival; and how much memory a device has left."""

import threading
import time
from collections import deque
from collections.abc import Callable, Generator
from pathlib import Path

import psutil
import torch

POLL = 0.1  # seconds between two looks at the queue
CGROUP = Path("/sys/fs/cgroup")


class Turnstile:
    """Lets one holder in at a time, first come first served.

    Waiting is a generator, so that whoever waits can be shown so, and can leave. It is no `threading.Lock` because each
    step of a generator may run in another thread.
    """

    def __init__(self) -> None:
        self._queue: deque[object] = deque()
        self._guard = threading.Lock()

    def enter(self, leaves: Callable[[], bool]) -> Generator[int, None, object | None]:
        """Wait for one's turn; yields how many are ahead. Returns the ticket for `leave`, None if `leaves` says so.

        Closing the generator gives the place up.
        """
        ticket = object()
        with self._guard:
            self._queue.append(ticket)
        entered = False
        try:
            while (ahead := self._place(ticket)) > 0:
                if leaves():
                    return None
                yield ahead
                time.sleep(POLL)
            entered = True
            return ticket
        finally:
            if not entered:
                self.leave(ticket)

    def leave(self, ticket: object) -> None:
        with self._guard:
            self._queue.remove(ticket)

    @property
    def busy(self) -> bool:
        with self._guard:
            return bool(self._queue)

    def _place(self, ticket: object) -> int:
        with self._guard:
            return self._queue.index(ticket)


_turnstiles: dict[str, Turnstile] = {}
_making = threading.Lock()


def turnstile(device: torch.device) -> Turnstile:
    """The one turnstile of a device."""
    with _making:
        return _turnstiles.setdefault(str(device), Turnstile())


def name(device: torch.device) -> str:
    """CPU, or the name of the accelerator."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type.upper()


def free_bytes(device: torch.device) -> int:
    """Memory that a new cache could use: of the accelerator, or of this machine and the container around us."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    available = psutil.virtual_memory().available
    return min(available, _container_free(available))


def _container_free(otherwise: int) -> int:
    """What the container's limit (cgroup v2) leaves; `otherwise` when there is no limit."""
    try:
        limit, used, details = ((CGROUP / f"memory.{file}").read_text() for file in ("max", "current", "stat"))
    except OSError:
        return otherwise
    if limit.strip() == "max":
        return otherwise
    reclaimable = dict(line.split() for line in details.splitlines()).get("inactive_file", "0")  # files, not programs
    return max(int(limit) - int(used) + int(reclaimable), 0)
