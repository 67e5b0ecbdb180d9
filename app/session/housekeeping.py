"""Memory that nobody uses any more is given back: of pages that were closed, of visitors long idle, within a budget."""

import ctypes
import gc
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch

from app.session import devices
from app.session.sessions import Session

GRACE = 30.0  # seconds that a text is kept after the line to its page was broken
IDLE = 600.0  # seconds that a text is kept for a program, which has no page that could be closed
SHARE = 0.5
"""The part of the memory to be had that all visitors' texts, tokens, caches and results may take together."""

M_ARENA_MAX, HEAPS = -8, 2
"""The number of that setting in glibc's malloc.h, and the most heaps."""
M_MMAP_THRESHOLD, LARGE = -3, 2**19
"""The same, and from how many bytes on a piece has pages of its own."""

CLOSED = "The line to this page was broken for a while, and its text was let go; give it again."
UNUSED = f"Nothing was asked for {IDLE / 60:.0f} minutes, and the text was let go; give it again."
FULL = "Many visitors are here, and the text of who was idle longest was let go to make room; give it again."


@dataclass(frozen=True)
class Idle:
    """A session, the `seconds` since it was used, and whether its page was `closed`."""

    session: Session
    seconds: float
    closed: bool


class Used(NamedTuple):
    """How many sessions are at work, and how many hold something."""

    working: int
    holding: int


NOTHING = Used(0, 0)


def tidy(sessions: Sequence[Idle], before: Used = NOTHING) -> Used:
    """Let go of what the visitors of `sessions` do not need any more, and then of those idle longest, until the others
    are within the budget. Whoever is at work keeps everything.

    What is used now comes back. When fewer hold anything than `before`, whoever let go of it, and when the last one's
    work is over, the system gets its memory.
    """
    resting = [idle for idle in sessions if idle.session.holds and not idle.session.busy.locked()]
    for idle in resting:
        if idle.closed and idle.seconds >= GRACE:
            idle.session.let_go(CLOSED)
        elif not idle.session.opened and idle.seconds >= IDLE:
            idle.session.let_go(UNUSED)
    keep_within(budget(resting), resting)
    each = [idle.session for idle in sessions]
    used = Used(sum(session.busy.locked() for session in each), sum(session.holds for session in each))
    if used.holding < before.holding or used.working == 0 < before.working:
        give_back()
    return used


def budget(sessions: Iterable[Idle]) -> int:
    """Bytes that all of them may hold together."""
    held = sum(idle.session.nbytes for idle in sessions)
    return int(SHARE * (devices.free_bytes(torch.device("cpu")) + held))


def keep_within(limit: int, sessions: Iterable[Idle]) -> None:
    """Let go of what the longest idle hold until all hold at most `limit` bytes: first of sessions without a page."""
    order = sorted(sessions, key=lambda idle: (idle.session.opened, -idle.seconds))
    held = sum(idle.session.nbytes for idle in order)
    for idle in order:
        if held <= limit:
            return
        held -= idle.session.nbytes
        idle.session.let_go(FULL)


def give_back() -> None:
    """Return freed memory to the system: the C library keeps it otherwise."""
    gc.collect()
    _ask_glibc("malloc_trim", 0)


def set_heaps() -> None:
    """Let all threads share two heaps of the C library, and KV caches lie on pages of their own, which go back when
    they are freed. With a heap for each of the hundreds of threads that answer visitors, and caches among what is
    small, much that is free cannot go back."""
    _ask_glibc("mallopt", M_ARENA_MAX, HEAPS)
    _ask_glibc("mallopt", M_MMAP_THRESHOLD, LARGE)


def _ask_glibc(name: str, *given: int) -> None:
    """Call a function that only glibc has; nothing on other systems."""
    function = getattr(ctypes.CDLL(None), name, None)
    if function is not None:
        function(*given)
