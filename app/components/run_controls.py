"""Run and Stop: the buttons of work that takes a while, and what keeps them right while messages are lost.

A panel that computes builds its buttons with `build_run`, and connects them with `wire_run` to a callback that yields
updates.
"""

import contextlib
import functools
import time
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr

from app.components.errors import for_visitor

Updates = dict[Any, Any]
"""What components are told, by component; the others stay as they are."""


def build_mark(name: str) -> gr.HTML:
    """An invisible place that holds `WORKING` while something runs; the style sheet shows Run or Stop by it."""
    return gr.HTML(RESTING, elem_id=f"{name}-mark", elem_classes="mark")


WORKING, RESTING = '<i class="working"></i>', ""
"""Each message of a run repeats that it works. Gradio's page may drop what only one message of many says: it applies
the next message to the one before, also where that was not shown yet. So nothing may hang on a button's update that
comes once. That it rests is said by the browser itself when the run has ended for it: it ignores Run until then.
"""
AT_REST = f"() => {RESTING!r}"

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
    callback: Callable[..., Generator[Updates, None, None]],
    inputs: Sequence[Any],
    outputs: Sequence[Any],
    *,
    session: gr.State,
    stop: Callable[[Any], None],
    also: Sequence[Any] = (),
) -> Any:
    """Let Run, and the events `also`, start `callback`, a generator of updates for some of `outputs`; returns what
    follows it. Stop calls `stop` with the `session`.

    Run gives way to Stop meanwhile, and comes back however the work ends: by itself, by Stop, or by an error.
    """
    started = gr.on(
        [controls.run.click, *also], marked(callback, controls.mark), inputs, [*outputs, controls.mark],
        **STARTING,
    )  # fmt: skip
    rest_after(started, controls.mark)
    controls.stop.click(stop, session, None, **STOPPING)
    return started


def rest_after(started: Any, mark: gr.HTML) -> None:
    """Let the `mark` say that nothing runs any more once what has `started` has ended, well or not."""
    started.then(None, None, mark, js=AT_REST, api_visibility="private")


STARTING: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
STOPPING: dict[str, Any] = {**STARTING, "queue": False}  # never behind what it is to stop


def marked(callback: Callable[..., Generator[Updates, None, None]], mark: gr.HTML) -> Callable[..., Any]:
    """The updates of `callback`, each with one for the `mark`; its last ones twice.

    Where nothing has changed, as in a long line of visitors, they are said again only after `REPEAT` seconds.
    """

    @functools.wraps(callback)
    def steps(*values: Any) -> Generator[Updates, None, None]:
        updates: Updates | None = None
        said, when = updates, 0.0
        with contextlib.closing(callback(*values)) as work:
            for updates in work:
                if updates != said or time.monotonic() - when >= REPEAT:
                    said, when = updates, time.monotonic()
                    yield {**updates, mark: WORKING}
        if updates is not None:
            yield {**updates, mark: WORKING}

    return for_visitor(steps)
