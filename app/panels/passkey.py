"""The passkey lab: a key hidden at many lengths and depths, asked for by each method, and any trial opened."""

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr

from analysis.evaluation.passkey_grid import MOST, TrialGrid
from app.components.changes import when_changed
from app.components.downloads import build_downloads, wire_downloads
from app.components.errors import for_visitor
from app.components.permalink import LinkedControl
from app.components.plot import drawn, plot
from app.panels import method_controls
from app.panels.passkey_trial import build_trial, picked
from app.panels.shell import Shell
from app.session import document_loading, grid_runs, model_catalogue, passkey_grids, side_by_side
from app.session.documents import take_upload
from app.session.passkey_grids import FILLERS, Lab
from app.session.running import RunControls, build_run, wire_run
from app.session.sessions import Session
from app.session.side_by_side import MOST_METHODS
from longsight.errors import LongSightError

TAB = "passkey"
ASKED = 5  # lengths, depths, trials, filler, seed
METHOD_PARTS = 2 + MOST_METHODS * (3 + method_controls.MOST_FIELDS)  # the picker, the slots, and the line
SHOWN = 1 + 3 * MOST_METHODS  # the note, and a column with two parts for each method
HIDDEN: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
INTRODUCTION = """\
A number is hidden in a long text, and the model is asked for it. Each cell is one length and one depth: **how often \
the number was found**. Two lines say how far a method goes: up to the plain one its distances are familiar, up to the \
dotted one it sees the whole text, and beyond that only what is near the end. **Click on a cell to open its trials.**"""
EXAMPLE = "A finished example, recorded with {model}. Set what you like above and press Run."


@dataclass(frozen=True)
class PasskeyParts:
    """The controls and the places of the tab."""

    asked: tuple[Any, ...]
    run: RunControls
    note: gr.HTML
    columns: tuple[tuple[gr.Column, gr.HTML, gr.HTML], ...]  # of each method: all of it, how far it is, its grid

    @property
    def shown(self) -> list[Any]:
        """What `pictured` updates."""
        return [self.note, *(part for column in self.columns for part in column)]


def build_lab(shell: Shell, tab: gr.Tab) -> list[LinkedControl]:
    gr.Markdown(INTRODUCTION, elem_classes="lead")
    with gr.Row(elem_classes="tight", elem_id="lab-controls"):
        lengths = gr.Textbox(
            "256, 512, 1024, 2048", label="Lengths [tokens]", elem_id="lab-lengths", elem_classes="wide", max_lines=1
        )
        depths = gr.Textbox("0, 25, 50, 75, 100", label="Depths [%]", elem_id="lab-depths", max_lines=1)
        trials = gr.Number(
            4, label="Trials per cell", precision=0, minimum=1, maximum=MOST["trial"], elem_id="lab-trials"
        )
        filler = gr.Dropdown(
            [(title, key) for key, title in FILLERS.items()],
            label="Hidden in",
            elem_id="lab-filler",
            filterable=False,
            elem_classes="wide",
        )
        seed = gr.Number(0, label="Seed", precision=0, minimum=0, elem_id="lab-seed")
    run = build_run("lab")
    note = gr.HTML(elem_id="lab-note")
    with gr.Row(elem_id="lab-grids", equal_height=False):
        columns = tuple(_build_column(number) for number in range(MOST_METHODS))
    with gr.Row(elem_classes="run-row"):
        downloads = build_downloads("lab", "Every trial with its answer:")
        load = gr.UploadButton("Load a grid", size="sm", file_types=[".json"], elem_id="lab-load", scale=0)
    parts = PasskeyParts((lengths, depths, trials, filler, seed), run, note, columns)
    wire_downloads(downloads, passkey_grids.files, [shell.session])
    trial = build_trial(shell)
    _wire(shell, tab, parts, load)
    for number, (_, _, grid) in enumerate(columns):
        grid.pick(picked(number), shell.session, [trial.cell, trial.trial, trial.choice], **HIDDEN)
    return [
        LinkedControl("lengths", lengths, lambda text: _checked(passkey_grids.read_lengths, text)),
        LinkedControl("depths", depths, lambda text: _checked(passkey_grids.read_depths, text)),
        LinkedControl("trials", trials, int),
        LinkedControl("filler", filler, passkey_grids.read_filler),
        LinkedControl("keys", seed, int),
    ]


def _build_column(number: int) -> tuple[gr.Column, gr.HTML, gr.HTML]:
    with gr.Column(visible=False, min_width=260, elem_id=f"lab-method-{number}", elem_classes="lab-method") as column:
        side = gr.HTML()
        grid = plot("Pass keys found, by length and depth", elem_id=f"lab-grid-{number}")
    return column, side, grid


def _checked(read: Any, text: str) -> str:
    read(text)
    return text


def _wire(shell: Shell, tab: gr.Tab, parts: PasskeyParts, load: gr.UploadButton) -> None:
    inputs = [*parts.asked, shell.model, shell.session, *shell.methods.inputs]
    plans = [parts.run.status, parts.run.run]
    wire_run(parts.run, shell.session, run_lab, inputs, [parts.run.status, *parts.shown], api_name="passkey").then(
        show_plan, inputs, plans, **HIDDEN
    )
    lengths, depths, trials, filler, seed = parts.asked
    boxes = [event for box in (lengths, depths, trials, seed) for event in (box.submit, box.blur)]
    changes = [*boxes, filler.input, shell.methods.line.change, shell.context.length.change, shell.speed.change]
    when_changed(changes, follow, [shell.tab, *inputs], plans)
    tab.select(show, shell.session, parts.shown, **HIDDEN).then(show_plan, inputs, plans, **HIDDEN)
    methods = [shell.methods.picker, *shell.methods.parts, shell.methods.line]
    load.upload(
        load_grid, [load, shell.model, shell.session], [*parts.asked, *methods, *parts.shown], show_progress="hidden",
        api_name="load_grid",
    ).then(show_plan, inputs, plans, **HIDDEN)  # fmt: skip


def read_request(values: Sequence[Any]) -> passkey_grids.GridRequest:
    """What the controls ask for; parameters that stand at their rule of thumb are fitted to the longest prompt."""
    asked, (model_name, session, *methods) = values[:ASKED], values[ASKED:]
    model = model_catalogue.model(model_name)
    length = document_loading.target_length(session, model)
    chosen = method_controls.read_values(model, methods, length)
    longest = passkey_grids.read_lengths(asked[0])[-1]
    return passkey_grids.make_request(session, model, method_controls.follow(model, chosen, length, longest), asked)


def _visit(values: Sequence[Any]) -> Session:
    return values[ASKED + 1]


def run_lab(*values: Any) -> Generator[list[Any], None, None]:
    """Run or go on: updates for the line, the methods' cells and the grids."""
    request = read_request(values)
    for picture in grid_runs.run_steps(_visit(values), request):
        if picture.lab is None:
            yield [picture.status, *[gr.skip()] * SHOWN]
        else:
            yield [picture.status, *pictured(picture.lab, "", picture.working, picture.part)]


def pictured(shown: Lab, note: str = "", working: int | None = None, part: float = 0.0) -> list[Any]:
    """Updates for `PasskeyParts.shown`."""
    count = len(shown.grid.method)
    updates: list[Any] = [f'<p class="note">{note or passkey_grids.about(shown.grid)}</p>']
    for number in range(count):
        side = passkey_grids.side_view(shown, number, working, part)
        updates += [gr.Column(visible=True), side, drawn(passkey_grids.grid_picture(shown.grid, number))]
    return updates + [gr.Column(visible=False), gr.skip(), gr.skip()] * (MOST_METHODS - count)


@for_visitor
def show(session: Session) -> list[Any]:
    """The visitor's grid, or the example."""
    shown = passkey_grids.current(session)
    return pictured(shown, "" if session.lab else EXAMPLE.format(model=shown.grid.model))


@for_visitor
def follow(tab: str, *values: Any) -> list[Any]:
    """A control has changed; nothing is done where nobody looks."""
    return show_plan(*values) if tab == TAB else [gr.skip()] * 2


@for_visitor
def show_plan(*values: Any) -> list[Any]:
    """What Run would do, and how long that takes."""
    session = _visit(values)
    if method_controls.opening(values[ASKED + 2 :]) or session.busy.locked():
        return [gr.skip()] * 2
    try:
        request = read_request(values)
    except LongSightError as error:
        return [passkey_grids.problem(error), gr.Button("Run")]
    grid = passkey_grids.continued(session, request)
    begun = grid.done > 0 and not grid.finished
    return [f"<span>{grid_runs.plan(request, grid)}</span>", gr.Button("Resume" if begun else "Run")]


@for_visitor
def load_grid(path: str | None, model_name: str, session: Session) -> list[Any]:
    """A grid that was saved before stands on the page again, and so do the settings that made it, for Resume."""
    if path is None:
        raise LongSightError("No file arrived; choose a grid that was saved here as JSON.")
    grid = passkey_grids.read_grid(take_upload(path, passkey_grids.MOST_FILE)[1])
    if len(grid.method) > MOST_METHODS:
        raise LongSightError(f"The file has {len(grid.method)} methods; up to {MOST_METHODS} stand side by side.")
    session.lab = Lab(grid)
    return [*passkey_grids.settings(grid), *_methods(grid, model_name, session), *pictured(session.lab)]


def _methods(grid: TrialGrid, model_name: str, session: Session) -> list[Any]:
    """Updates for the controls of the methods; they stay as they are where the grid is another model's."""
    model, methods = model_catalogue.model(model_name), grid.methods()
    if grid.model != model.name or len(set(grid.method.tolist())) < len(methods):
        return [gr.skip()] * METHOD_PARTS
    length = document_loading.target_length(session, model)
    shown = method_controls.show(methods, model.train_length)
    return [grid.method.tolist(), *shown, side_by_side.write(model, methods, length)]
