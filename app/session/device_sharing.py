"""A device shared by all visitors: each works for a slice of time, and whoever has had the least of it is next."""

import contextlib
import threading
import time
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Generic, TypeVar
from weakref import WeakKeyDictionary

import torch

from app.session import devices, formatting, zero_gpu
from app.session.device_jobs import DeviceJob
from longsight.errors import LongSightError
from longsight.progress import until

SLICE = 0.1  # seconds of work before whoever waits comes in
CREDIT = 0.5  # seconds that a newcomer is ahead of those at work: a short answer comes before long readings go on
FIRST_WORD = 0.3  # seconds that whoever waits for the first word of an answer is ahead of those who have theirs
LOOK = 0.1  # seconds between two looks at whether someone who waits has had enough, when one other is there
MOST_LOOK = 1.0  # the same, when very many are: all of them together are to cost little
MOST_AT_ONCE = 250
"""Visitors at one device. More could only wait for ever."""

S = TypeVar("S")
R = TypeVar("R")

Seconds = Callable[[], float | None]
"""Forecast of the device's time that a work still needs; None while nobody knows."""


@dataclass(frozen=True)
class Waiting:
    """`others` share the device; theirs are `seconds` of the time until one's own work is done, if anyone knows."""

    others: int
    seconds: float | None = None

    @property
    def who(self) -> str:
        """The others, as the beginning of a sentence."""
        return "another visitor is" if self.others == 1 else f"{self.others} other visitors are"

    def __str__(self) -> str:
        others = "another visitor" if self.others == 1 else f"{self.others} other visitors"
        known = "" if self.seconds is None else f", whose turns take {formatting.about(self.seconds)}"
        return f"sharing the device with {others}{known}"


@dataclass(eq=False)
class Place:
    """One work of a visitor at a device. `used` [seconds]: what the visitor has had of the device, newcomers counted as
    if they had been there all along; `turn` is set while the device is this work's. `wordless` says whether an answer
    is waited for of which not a word is there."""

    line: "DeviceLine"
    visitor: object
    left: Seconds
    used: float
    wordless: Callable[[], bool]
    turn: threading.Event = field(default_factory=threading.Event)

    @property
    def rank(self) -> float:
        """Whoever has the least of it is next."""
        return self.used - FIRST_WORD * self.wordless()

    @property
    def waiting(self) -> Waiting:
        """What this work shares the device with: everybody gets as much of it as this needs, or less."""
        lefts = [other.left() for other in self.line.others(self.visitor)]
        own = self.left() if lefts else None
        known = None if own is None or None in lefts else sum(min(own, left) for left in lefts if left is not None)
        return Waiting(len(lefts), known)

    def take_turns(self, job: DeviceJob[S, R], leaves: Callable[[], bool]) -> Generator[S | Waiting, None, R | None]:
        """Do `job` slice by slice; yields its steps, and `Waiting` while others have the device.

        Returns what it returns, or None when `leaves` had enough. However it ends, its work is closed, so that it frees
        what it holds. All that this page has a device do is done here.
        """
        if devices.LENT:
            return (yield from zero_gpu.lent_steps(job, leaves, self.left()))
        with contextlib.closing(until(leaves, job.steps())) as work:
            while not (leaves() or self.line.closed):
                if not self.line.take(self):
                    yield self.waiting
                    continue
                done = self.line.do(self, work)
                yield from done.steps
                if done.over:
                    return done.result
        return None


@dataclass
class Slice(Generic[S, R]):
    """What was done in one turn, and what came of all the work when it is `over`."""

    steps: list[S]
    over: bool = False
    result: R | None = None


def _do_slice(work: Generator[S, None, R]) -> Slice[S, R]:
    """As many steps as `SLICE` has room for: the first one in any case."""
    done, begun = Slice[S, R]([]), time.monotonic()
    try:
        while not done.steps or time.monotonic() - begun < SLICE:
            done.steps.append(next(work))
    except StopIteration as finished:
        done.over, done.result = True, finished.value
    return done


class DeviceLine:
    """Everyone who has work for a device, and whose turn it is now.

    Waiting is done in short looks, because each step of a generator may run in another thread, and because whoever
    waits can be shown so and can leave. The work itself is done by one thread: with many, each would have a team of
    torch's threads and a heap of its own.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """`clock` [seconds] tells, in the thread that works, how long a slice took."""
        self._time = clock
        self._places: list[Place] = []
        self._wanting: list[Place] = []
        self._holder: Place | None = None
        self._clock = 0.0  # seconds that everyone here has had at least
        self._used: WeakKeyDictionary[object, float] = WeakKeyDictionary()  # by visitor, as it was at the end
        self.closed = False  # nothing more is begun
        self._guard = threading.Lock()
        self._worker = ThreadPoolExecutor(1, "device")

    @property
    def busy(self) -> bool:
        return bool(self.others())

    def others(self, visitor: object = None) -> list[Place]:
        """The works of everybody but `visitor`."""
        with self._guard:
            return [place for place in self._places if place.visitor is not visitor]

    @contextlib.contextmanager
    def place(self, visitor: object, left: Seconds, wordless: Callable[[], bool] = lambda: False) -> Iterator[Place]:
        """A place in the line; what `visitor` had of the device before counts. Raises `LongSightError` when there are
        too many already."""
        with self._guard:
            if len(self._places) >= MOST_AT_ONCE:
                raise LongSightError(
                    f"{len(self._places)} visitors are at work on this device already, as many as it can serve; "
                    "try again in a few minutes."
                )
            least = self._clock - CREDIT
            place = Place(self, visitor, left, max(least, self._used.get(visitor, least)), wordless)
            self._places.append(place)
        try:
            yield place
        finally:
            self.give(place)
            with self._guard:
                self._places.remove(place)
                self._used[visitor] = place.used

    def take(self, place: Place) -> bool:
        """Get the device for a slice; False when it was others' turn for the time of a look."""
        with self._guard:
            self._wanting.append(place)
            self._hand_on()
            patience = min(LOOK * len(self._wanting), MOST_LOOK)
        place.turn.wait(patience)
        with self._guard:
            if self._holder is place:
                return True
            self._wanting.remove(place)
            return False

    def do(self, place: Place, work: Generator[S, None, R]) -> Slice[S, R]:
        """A slice of `work`, after `take`, and then it is somebody else's turn."""
        return self._worker.submit(self._do, place, work).result()

    def _do(self, place: Place, work: Generator[S, None, R]) -> Slice[S, R]:
        begun = self._time()
        try:
            return _do_slice(work)
        finally:
            self.give(place, self._time() - begun)

    def close(self) -> None:
        """Begin no other slice; returns when the one that was begun is over."""
        self.closed = True
        self._worker.shutdown(cancel_futures=True)

    def give(self, place: Place, seconds: float = 0.0) -> None:
        """Hand the device on after `seconds` of work."""
        with self._guard:
            place.used += seconds
            self._clock = max(self._clock, min(place.used for place in self._places))
            place.turn.clear()
            if self._holder is place:
                self._holder = None
            self._hand_on()

    def _hand_on(self) -> None:
        if self._holder is None and self._wanting:
            self._holder = min(self._wanting, key=lambda place: place.rank)
            self._wanting.remove(self._holder)
            self._holder.turn.set()


_lines: dict[str, DeviceLine] = {}
_making = threading.Lock()


def line_of(device: torch.device) -> DeviceLine:
    """The one line of a device; where a GPU is lent to each visitor (ZeroGPU), a line of one's own.

    A processor is shared with everything else the machine does. Who worked while it was busy is not told the time that
    others took: two seconds of waiting, counted as work, would put the visitor behind all others for a minute.
    """
    clock = time.thread_time if device.type == "cpu" else time.monotonic
    if devices.LENT:
        return DeviceLine(clock)
    with _making:
        return _lines.setdefault(str(device), DeviceLine(clock))


def close_lines() -> None:
    """Let no device begin another slice, and wait for those that were begun."""
    with _making:
        for line in _lines.values():
            line.close()


def nobody_knows() -> None:
    """A forecast of work that has none."""


def in_turn(
    device: torch.device,
    visitor: object,
    leaves: Callable[[], bool],
    job: DeviceJob[S, R],
    left: Seconds = nobody_knows,
) -> Generator[S | Waiting, None, R | None]:
    """`Place.take_turns` in the line of a device. Raises `LongSightError` where that is full."""
    with line_of(device).place(visitor, left) as place:
        return (yield from place.take_turns(job, leaves))
