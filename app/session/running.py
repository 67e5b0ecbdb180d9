"""Work that a visitor starts and can stop: in turn at the device, step by step, freed at once."""

import contextlib
from collections.abc import Generator, Iterator
from typing import TypeVar

import torch

from app.session.device_jobs import DeviceJob
from app.session.device_sharing import Seconds, Waiting, in_turn, nobody_knows
from app.session.sessions import Session
from longsight.errors import LongSightError

S = TypeVar("S")
R = TypeVar("R")

BUSY = "This page is still at work on something else; stop that first, or wait for it."


@contextlib.contextmanager
def at_work(session: Session, meanwhile: str = BUSY) -> Iterator[None]:
    """Keep the visitor's page to one thing at a time. Raises `LongSightError`, with what the one that runs says of it
    `meanwhile`, while another does."""
    if not session.busy.acquire(blocking=False):
        raise LongSightError(session.meanwhile)
    try:
        session.meanwhile = meanwhile
        session.stop.clear()
        session.left = False
        yield
    finally:
        session.busy.release()


def run_steps(
    session: Session, device: torch.device, job: DeviceJob[S, R], left: Seconds = nobody_knows
) -> Generator[S | Waiting, None, R | None]:
    """Do `job`, which still needs `left`, in turn with others; yields its steps, and `Waiting` while others have the
    device.

    Returns what it returns, or None when the visitor pressed Stop or left. However it ends, its work is closed, so that
    it frees what it holds, and the device is handed on. Raises `LongSightError` while the same visitor's page is at
    work already.
    """
    with at_work(session):
        return (yield from in_turn(device, session, session.stop.is_set, job, left))


def stop(session: Session) -> None:
    """End what this visitor's page is doing, after its current step."""
    session.stop.set()
