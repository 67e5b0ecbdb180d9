"""Work that a visitor starts with Run and ends with Stop: in line for the device, shown as it goes, freed at once.

A panel that computes builds its buttons with `build_run`, connects them with `wire_run`, and lets its callback yield
what `run_steps` hands on.
"""

import contextlib
import functools
import html
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import gradio as gr
import torch

from app.components.errors import for_visitor
from app.session import devices, formatting
from app.session.devices import Waiting
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
    session: Session, device: torch.device, work: Generator[S, None, R]
) -> Generator[S | Waiting, None, R | None]:
    """Do `work` once the device is free; yields `Waiting` until then, and after that each of its steps.

    Returns what `work` returns, or None when the visitor pressed Stop or left. However it ends, `work` is closed, so
    that it frees what it holds, and the device is handed on. Raises `LongSightError` while the same visitor's page is
    at work already.
    """
    with at_work(session):
        return (yield from devices.in_turn(device, session.stop.is_set, _until_stopped(session, work)))


def _until_stopped(session: Session, work: Generator[S, None, R]) -> Generator[S, None, R | None]:
    with contextlib.closing(work):
        while not session.stop.is_set():
            try:
                step = next(work)
            except StopIteration as finished:
                return finished.value
            yield step
    return None


@dataclass
class Pace:
    """How fast equal pieces of work are done, and how long the rest of them will take."""

    total: int
    unit: str = "tokens"
    start: float = field(default_factory=time.perf_counter)

    @property
    def elapsed(self) -> float:
        return time.perf_counter() - self.start

    def left(self, done: int) -> float | None:
        """Seconds to go after `done` pieces; None before the first."""
        return self.elapsed * (self.total - done) / done if done else None

    def said(self, done: int, left: float | None = None) -> str:
        """1,024 of 4,096 tokens · 3.1k a second · 2 s left. `left` [seconds]: where the caller knows better."""
        parts = [f"{done:,} of {self.total:,} {self.unit}"]
        if done and self.elapsed:
            parts.append(f"{formatting.short_count(done / self.elapsed)} a second")
        seconds = self.left(done) if left is None else left
        if seconds is not None:
            parts.append(f"{formatting.duration(seconds)} left")
        return " · ".join(parts)


def progress(sentence: str, part: float | None = None) -> str:
    """A sentence with a bar under it, as HTML; `part` (0 to 1) is done, None: nobody knows."""
    value = "" if part is None else f' value="{part:.3f}"'
    return (
        f'<div class="running" role="status"><span>{html.escape(sentence)}</span>'
        f'<progress class="bar" max="1"{value}></progress></div>'
    )


def build_mark(name: str) -> gr.HTML:
    """An invisible place that holds `WORKING` while something runs; the style sheet shows Run or Stop by it."""
    return gr.HTML(RESTING, elem_id=f"{name}-mark", elem_classes="mark")


WORKING, RESTING = '<i class="working"></i>', ""
"""Each message of a run repeats this. Gradio's page may drop what only one message of many says: it applies the next
message to the one before, also where that was not shown yet. So nothing may hang on a button's update that comes once.
"""

REPEAT = 1.0  # seconds until a message is sent again that says nothing new: the page may have dropped it the first time


@dataclass(frozen=True)
class RunControls:
    """Run, which gives way to Stop while something runs, and beside them a place for the estimate and the progress."""

    run: gr.Button
    stop: gr.Button
    status: gr.HTML
    mark: gr.HTML


def build_run(name: str, label: str = "Run") -> RunControls:
    """The controls; their ids are NAME-run, NAME-stop, NAME-status and NAME-mark."""
    with gr.Row(elem_classes="run-row"):
        run = gr.Button(label, variant="primary", size="sm", elem_id=f"{name}-run", elem_classes="run", scale=0)
        stop = gr.Button("Stop", variant="stop", size="sm", elem_id=f"{name}-stop", elem_classes="stop", scale=0)
        status = gr.HTML(elem_id=f"{name}-status")
        mark = build_mark(name)
    return RunControls(run, stop, status, mark)


def wire_run(
    controls: RunControls,
    session: gr.State,
    callback: Callable[..., Generator[list[Any], None, None]],
    inputs: Sequence[Any],
    outputs: Sequence[Any],
    *,
    api_name: str,
    also: Sequence[Any] = (),
) -> Any:
    """Let Run, and the events `also`, start `callback`, a generator of updates for `outputs`; returns what follows it.

    Run gives way to Stop meanwhile, and comes back however the work ends: by itself, by Stop, or by an error.
    """
    started = gr.on(
        [controls.run.click, *also], marked(callback), inputs, [*outputs, controls.mark], api_name=api_name, **STARTING
    )
    controls.stop.click(stop, session, None, api_name=f"stop_{api_name}", **STOPPING)
    return started


STARTING: dict[str, Any] = {"show_progress": "hidden", "concurrency_limit": 32, "concurrency_id": "send"}
STOPPING: dict[str, Any] = {"show_progress": "hidden", "queue": False}  # never behind what it is to stop


def stop(session: Session) -> None:
    """End what this visitor's page is doing, after its current step."""
    session.stop.set()


def marked(callback: Callable[..., Generator[list[Any], None, None]]) -> Callable[..., Any]:
    """The updates of `callback`, each with one for the mark after them; its last ones once more, at rest.

    Where nothing has changed, as in a long line of visitors, they are said again only after `REPEAT` seconds.
    """

    @functools.wraps(callback)
    def steps(*values: Any) -> Generator[list[Any], None, None]:
        updates: list[Any] | None = None
        said, when = updates, 0.0
        with contextlib.closing(callback(*values)) as work:
            try:
                for updates in work:
                    if updates != said or time.monotonic() - when >= REPEAT:
                        said, when = updates, time.monotonic()
                        yield [*updates, WORKING]
            except Exception:
                if updates is not None:
                    yield [*updates, RESTING]
                raise
        if updates is not None:
            yield [*updates, RESTING]

    return for_visitor(steps)
