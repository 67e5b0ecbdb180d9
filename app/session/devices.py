"""One model call at a time on each device, in the order of arrival; and how much memory a device has left."""

import threading
import time
from collections import deque
from collections.abc import Callable, Generator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import psutil
import torch

from longsight.progress import mapped

POLL = 0.1  # seconds between two looks at the queue
CGROUP = Path("/sys/fs/cgroup")
UNLIMITED = -1  # as `setrlimit` says it

S = TypeVar("S")
R = TypeVar("R")


@dataclass(frozen=True)
class Waiting:
    """Others are at the device; `ahead` says how many."""

    ahead: int

    def __str__(self) -> str:
        others = "another visitor" if self.ahead == 1 else f"{self.ahead} other visitors"
        return f"waiting for {others}"


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


def in_turn(
    device: torch.device, leaves: Callable[[], bool], work: Generator[S, None, R]
) -> Generator[S | Waiting, None, R | None]:
    """Do `work` once the device is free; yields `Waiting` until then, and after that each of its steps.

    Returns what `work` returns, or None when `leaves` had enough of waiting. However it ends, `work` is closed, so that
    it frees what it holds, and the device is handed on.
    """
    door = turnstile(device)
    ticket = yield from mapped(door.enter(leaves), Waiting)
    if ticket is None:
        return None
    try:
        return (yield from work)
    finally:
        work.close()  # before the next visitor comes in
        door.leave(ticket)


def name(device: torch.device) -> str:
    """CPU, or the name of the accelerator."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type.upper()


def free_bytes(device: torch.device) -> int:
    """Memory that a new cache could use: of the accelerator, or of this machine, the container around us and what this
    process may take."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    available = psutil.virtual_memory().available
    return min(available, _container_free(available), _process_free(available))


def _process_free(otherwise: int) -> int:
    """What the limit on this process's addresses (`ulimit -v`) leaves; `otherwise` when there is none."""
    process = psutil.Process()
    limit = process.rlimit(psutil.RLIMIT_AS)[0] if psutil.LINUX else UNLIMITED
    return otherwise if limit == UNLIMITED else max(limit - process.memory_info().vms, 0)


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
