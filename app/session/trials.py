"""One trial of a grid of pass keys, opened: done again with an eye on the heads, in turn at the device, and shown."""

import html
from collections.abc import Generator
from dataclasses import dataclass
from functools import partial

import numpy as np
import plotly.graph_objects as go

from analysis.evaluation.passkey_grid import TrialGrid, make_case, text_digest
from analysis.evaluation.tracing import TrialRecord, trace_steps
from analysis.evaluation.trial_figure import caption, marked_prompt, trial_figure
from app.session import estimate, model_catalogue, passkey_grids, progress_view, running
from app.session.device_jobs import DeviceJob
from app.session.device_sharing import Waiting
from app.session.progress_view import Pace, titled
from app.session.sessions import Session
from longsight.errors import LongSightError
from longsight.generation.prefill import StepSize
from longsight.models.model import Model
from longsight.progress import Progress, mapped

Place = tuple[int, int, int, int]
"""A trial of a grid: method, length, depth, trial."""

NAMED_CELLS = 12
"""Up to this many layers and heads a cell has room for its number."""
AXES = ("method", "length", "depth", "trial")


def read_place(grid: TrialGrid, cell: object) -> Place:
    """`2:0:3:1`, as `write_place` wrote it. Raises `LongSightError` on what is no trial of the grid."""
    parts = str(cell).split(":")
    if len(parts) != len(AXES) or not all(part.isdecimal() and len(part) < 4 for part in parts):
        raise LongSightError(f"A trial is named by {', '.join(AXES)}, as in 0:2:1:0, but {str(cell)[:40]!r} was given.")
    place = (int(parts[0]), int(parts[1]), int(parts[2]), int(parts[3]))
    for axis, at, count in zip(AXES, place, grid.found.shape, strict=True):
        if at >= count:
            raise LongSightError(f"There is no {axis} {at} in this grid; it has {count}, counted from 0.")
    return place


def write_place(place: Place) -> str:
    return ":".join(map(str, place))


def cells(grid: TrialGrid) -> list[tuple[str, str]]:
    """Every cell of a grid in words, and its first trial."""
    return [
        (f"{run.label} · {length:,} tokens · key at {depth:.0%}", write_place((m, n, d, 0)))
        for m, run in enumerate(grid.runs())
        for n, length in enumerate(grid.length)
        for d, depth in enumerate(grid.depth)
    ]


def choices(grid: TrialGrid, place: Place) -> list[tuple[str, int]]:
    """The trials of a cell, as a visitor picks one: 1 found, 2 not found."""
    said = {1.0: "found", 0.0: "not found"}
    return [(f"{n + 1} {said.get(float(k), 'not done')}", n) for n, k in enumerate(grid.found[place[:3]])]


@dataclass(frozen=True)
class TrialView:
    """A line on progress, and, once the trial has been done, what came of it."""

    status: str
    told: str = ""
    prompt: str = ""
    about: str = ""
    figure: go.Figure | None = None


def open_steps(session: Session, model_name: str, cell: object) -> Generator[TrialView, None, None]:
    """Do a trial of the grid that is shown again; yields views, the last with everything, unless it was stopped."""
    grid = passkey_grids.current(session, model_name).grid
    place = read_place(grid, cell)
    model = model_catalogue.model(grid.model)
    text = passkey_grids.own_text(session) if grid.digest else None
    if text_digest(text) != grid.digest:
        raise LongSightError(f"This grid hides its keys in {grid.text!r}; choose that document again to open a trial.")
    method = grid.methods()[place[0]]
    estimate.check_memory(model, method, int(grid.length[place[1]]))

    pace, job = Pace(method.keeps(int(grid.length[place[1]]))), DeviceJob(_again, (model, grid, place, text))
    record = yield from mapped(running.run_steps(session, model.device, job), partial(_progress, pace=pace))
    if record is None:
        yield TrialView("<span>stopped, memory freed</span>")
        return
    yield TrialView("", told(grid, place, record), marked_prompt(record), about(record), heads_figure(record))


def _again(
    model: Model, grid: TrialGrid, place: Place, text: str | None
) -> Generator[Progress[None] | None, None, TrialRecord]:
    """Do the trial; the first step is before its prompt is made."""
    yield None
    case = make_case(model, grid, place[1:], text)
    return (yield from trace_steps(model, grid.methods()[place[0]], grid.passkey(), case, StepSize()))


def _progress(step: Progress[None] | Waiting | None, pace: Pace) -> TrialView:
    if isinstance(step, Waiting):
        return TrialView(progress_view.progress_bar(str(step)))
    if step is None:
        return TrialView(progress_view.progress_bar("making the prompt"))
    return TrialView(progress_view.progress_bar(f"reading {pace.said(step.done)}", step.done / step.total))


def heads_figure(record: TrialRecord) -> go.Figure:
    """Attention on the key by layer and head, with its numbers where there is room for them."""
    figure = trial_figure(record)
    if max(record.attention.shape[1:]) <= NAMED_CELLS:
        figure.update_traces(texttemplate="%{z:.0%}")
    return figure.update_layout(dragmode=False, margin={"l": 56, "r": 8, "t": 44, "b": 44})


def told(grid: TrialGrid, place: Place, record: TrialRecord) -> str:
    """The trial in words, as HTML: what was asked, what came, whether the key could be seen, and who looked."""
    run, depth = grid.runs()[place[0]], grid.depth[place[2]]
    head = (
        f"{titled(run)} · {grid.length[place[1]]:,} tokens · key at depth {depth:.0%} · {passkey_grids.prompt_of(grid)}"
    )
    answer = html.escape(record.answer.strip()) or "nothing"
    verdict = "found" if record.found else "not found"
    return (
        f'<div class="trial"><b>{html.escape(head)}</b>'
        f'<p class="answer" data-found="{verdict}">The key is <b>{html.escape(record.expected)}</b>. '
        f"The model answered: <q>{answer}</q> <em>{verdict}</em></p>"
        f'<p class="sight">{html.escape(record.sight)} {html.escape(most_attentive(record))}</p>'
        f"{_differs(grid, place, record)}</div>"
    )


def about(record: TrialRecord) -> str:
    """What the heads' figure and the prompt's shades show, as HTML."""
    shades = "Pale in the prompt: what this query cannot see; struck out: what was never read."
    return f'<p class="caption">{html.escape(caption(record))} {shades}</p>'


def most_attentive(record: TrialRecord) -> str:
    """Which head looks most at the key's digits when the answer's first one is brought forth."""
    weight = record.attention[record.answering]
    layer, head = np.unravel_index(int(weight.argmax()), weight.shape)
    if weight.max() < 0.01:
        return "No head gives the key's digits 1 % of its attention when it answers."
    return (
        f"When it answers, head {head} of layer {record.layer[layer]} gives them most: "
        f"{weight.max():.0%} of its attention.".replace("%", " %")
    )


def _differs(grid: TrialGrid, place: Place, record: TrialRecord) -> str:
    """Prompts of a grid are read together, a trial alone: rounding may differ, and an answer on the brink with it."""
    before = str(grid.said[place])
    if np.isnan(grid.found[place]) or before == record.answer:
        return ""
    return f'<p class="caption pooling">In the grid it had answered: <q>{html.escape(before.strip())}</q></p>'
