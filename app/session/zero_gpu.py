"""ZeroGPU: a Space that is lent a GPU for one call at a time, in a forked process (the package `spaces`).

What goes there and what comes back is pickled, and what is changed there stays there. So a job is sent as a call, with
models by their names; and with each step comes what it changed of the objects that a job names. KV caches stay behind:
they are gone when the call ends, and a later question reads its text again.
"""

import contextlib
import io
import pickle
from collections.abc import Callable, Generator
from importlib import import_module
from typing import Any, TypeVar

import torch

from analysis.diagnostics.base import Panel
from analysis.diagnostics.measuring import ResultCache
from analysis.diagnostics.panels import PANELS
from app.session import devices, formatting, model_catalogue
from app.session.device_jobs import DeviceJob
from longsight.attention.kv_cache import Cache
from longsight.errors import LongSightError
from longsight.models.model import Model

S = TypeVar("S")
R = TypeVar("R")

LONGEST = 80.0
"""Seconds that a GPU is asked for at most. The package asks for half as much again on the smaller of two sizes: for the
two minutes that a visitor without an account has on a day."""
UNKNOWN = 40.0  # seconds asked for while nobody knows how long a job takes
MARGIN, MOVING = 2.0, 10.0
"""An estimate is doubled, and so many seconds are added in which a model comes onto the GPU: a job that takes longer
than the GPU was lent for is ended."""

STEP, OVER, REFUSED = "step", "over", "refused"


def lent_steps(job: DeviceJob[S, R], leaves: Callable[[], bool], left: float | None) -> Generator[S, None, R | None]:
    """Do `job`, which needs about `left` seconds, on a GPU that is lent for it; yields its steps.

    Returns what it returns, or None when `leaves` had enough. Raises `LongSightError` for what takes too long, for what
    the job itself raises, and where no GPU is to be had.
    """
    seconds = seconds_for(left)
    sent = _packed((job.function, job.arguments, job.changing))
    with contextlib.closing(_on_gpu(sent, seconds)) as messages:
        while not leaves():
            kind, told, changes = _unpacked(_next(messages))
            for thing, changed in zip(job.changing, changes, strict=True):
                vars(thing).update(changed)
            if kind == REFUSED:
                raise LongSightError(told)
            if kind == OVER:
                return told
            yield told
    return None


def seconds_for(left: float | None) -> float:
    """For how many seconds a GPU is asked for. Raises `LongSightError` for more than it is lent for."""
    if left is None:
        return UNKNOWN
    if left > LONGEST:
        raise LongSightError(
            f"This needs {formatting.about(left)} of a GPU that this Space is lent for up to "
            f"{formatting.duration(LONGEST)} at a time; ask for a shorter text, or for fewer methods at once."
        )
    return min(MOVING + MARGIN * left, LONGEST)


def _next(messages: Generator[bytes, None, None]) -> bytes:
    """The next message. What the package raises is for whoever waits: no GPU, no time left, a job that failed."""
    try:
        return next(messages)
    except StopIteration:
        raise LongSightError("The GPU that this Space was lent was taken back before the work was done.") from None
    except Exception as problem:
        said = getattr(problem, "message", problem)
        raise LongSightError(f"This Space could not do it on a GPU that is lent to it: {said}") from problem


def _work(sent: bytes, seconds: float) -> Generator[bytes, None, None]:
    """In the forked process: begin a job, and tell of each step and of what it changed."""
    function, arguments, changing = _unpacked(sent, there=True)
    steps = DeviceJob(function, arguments, changing).steps()

    def message(kind: str, told: Any) -> bytes:
        return _packed((kind, told, [_state(thing) for thing in changing]))

    with contextlib.closing(steps):
        while True:
            try:
                step = next(steps)
            except StopIteration as finished:
                yield message(OVER, finished.value)
                return
            except LongSightError as problem:
                yield message(REFUSED, str(problem))
                return
            yield message(STEP, step)


def _state(thing: object) -> dict[str, Any]:
    """What an object holds, but for functions, which would bring with them whatever they look at."""
    return {name: held for name, held in vars(thing).items() if not callable(held)}


def _lent(work: Callable[[bytes, float], Generator[bytes, None, None]]) -> Any:
    """The function with a GPU; itself where none is lent."""
    if not devices.LENT:
        return work
    return import_module("spaces").GPU(duration=lambda sent, seconds: seconds)(work)


_on_gpu = _lent(_work)


class _Packer(pickle.Pickler):
    """Pickles what a process of ours sends to another one, by name what both have."""

    def persistent_id(self, thing: object) -> tuple[str, str] | None:
        if isinstance(thing, Model):
            return "model", thing.name
        if isinstance(thing, Panel):
            return "panel", thing.key
        if isinstance(thing, ResultCache):
            return "results", ""
        return ("nothing", "") if isinstance(thing, Cache) else None


class _Unpacker(pickle.Unpickler):
    """The other side; `there`: where the GPU is."""

    def __init__(self, packed: bytes, there: bool) -> None:
        super().__init__(io.BytesIO(packed))
        self.there = there

    def persistent_load(self, name: tuple[str, str]) -> object:
        kind, key = name
        if kind == "model":
            return _on_device(model_catalogue.model(key)) if self.there else model_catalogue.model(key)
        if kind == "panel":
            return PANELS[key]
        return ResultCache(0) if kind == "results" else None


def _on_device(model: Model) -> Model:
    if model.device.type == "cpu" and torch.cuda.is_available():
        model.hf.to("cuda")
    return model


def _packed(thing: object) -> bytes:
    buffer = io.BytesIO()
    _Packer(buffer, pickle.HIGHEST_PROTOCOL).dump(thing)
    return buffer.getvalue()


def _unpacked(packed: bytes, there: bool = False) -> Any:
    return _Unpacker(packed, there).load()
