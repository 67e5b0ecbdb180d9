"""Passkey: a key hidden at many lengths and depths, asked for with each method, and any trial opened."""

import html
from collections.abc import Callable, Generator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import gradio as gr

from analysis.evaluation.passkey_grid import TrialGrid
from app.components.changes import when_changed
from app.components.downloads import build_downloads, wire_downloads
from app.components.errors import for_visitor
from app.components.permalink import LinkedControl
from app.components.plot import drawn, plot
from app.components.run_controls import RunControls, Updates, build_run, wire_run
from app.panels.asked import Asked
from app.panels.passkey_trial import TrialPanel, build_trial
from app.panels.shared_controls import SharedControls
from app.session import (
    document_loading,
    grid_runs,
    model_catalogue,
    passkey_grids,
    progress_view,
    running,
    side_by_side,
    trials,
    uploads,
)
from app.session.passkey_grids import FILLERS, PROMPTS, GridRequest, GridSettings
from app.session.sessions import Session
from app.session.shown_grid import ShownGrid
from app.session.side_by_side import MOST_METHODS
from longsight.errors import LongSightError

HIDDEN: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
INTRODUCTION = """\
A number is hidden in a long text, and the model is asked for it. Each cell is one length and one depth: **how often \
the number was found**. Two lines say how far a method goes: up to the plain one its distances are familiar, up to the \
dotted one it sees the whole text, and beyond that only what is near the end. **Click on a cell to open its trials,** \
or choose it in the list below."""
EXAMPLE = "A finished example, recorded with {model}: {methods}. Set what you like above and press Run."
EMPTY = "No keys were looked for with this model yet. Set what you like above and press Run."


@dataclass(frozen=True)
class GridColumn:
    """The place of one run: all of it, how far it is, its grid."""

    column: gr.Column
    side: gr.HTML
    grid: gr.HTML


@dataclass(frozen=True)
class PasskeyPanel:
    """The controls and the places of the tab; `settings` by the field of a `GridSettings` that each one sets."""

    shared: SharedControls
    settings: Mapping[str, Any]
    run: RunControls
    note: gr.HTML
    columns: tuple[GridColumn, ...]
    load: gr.UploadButton
    trial: TrialPanel

    @property
    def inputs(self) -> list[Any]:
        return [*self.settings.values(), *self.shared.inputs]

    @property
    def planned(self) -> list[Any]:
        """What `plan` updates."""
        return [self.run.status, self.run.run]

    @property
    def shown(self) -> list[Any]:
        """What `show` updates."""
        return [
            self.note,
            self.trial.listed,
            *(part for column in self.columns for part in (column.column, column.side, column.grid)),
        ]

    def read(self, *values: Any) -> Asked:
        """The values of `inputs`."""
        return Asked.with_values(self.shared, self.inputs, values)

    def request(self, asked: Asked) -> GridRequest:
        """What is asked for, checked; parameters at their rule of thumb are fitted to the longest prompt."""
        settings = GridSettings(**{name: asked[control] for name, control in self.settings.items()})
        methods = asked.methods(passkey_grids.read_lengths(settings.lengths)[-1])
        return passkey_grids.make_request(asked.session, asked.model, methods, settings)

    def fill(self, *values: Any) -> Generator[Updates, None, None]:
        """Run, or go on."""
        asked = self.read(*values)
        cells: list[tuple[str, str]] = []
        for view in grid_runs.run_steps(asked.session, self.request(asked)):
            grid: Updates = {}
            if view.grid is not None:
                grid = self.drawn(view.grid, "", view.working, view.part)
                if cells != (cells := trials.cells(view.grid.grid)):  # once, and not with every trial
                    grid |= self.trial.offer(view.grid.grid)
            yield {self.run.status: view.status, **grid}

    def drawn(self, mine: ShownGrid, note: str = "", working: str = "", part: float = 0.0) -> Updates:
        """Every run's grid and how far it is; the places of others are hidden."""
        updates: Updates = {self.note: f'<p class="note">{note or passkey_grids.about(mine.grid)}</p>'}
        for number, place in enumerate(self.columns):
            if number < len(mine.grid.method):
                updates[place.column] = gr.Column(visible=True)
                updates[place.side] = passkey_grids.side_view(mine, number, working, part)
                updates[place.grid] = drawn(passkey_grids.run_figure(mine.grid, number))
            else:
                updates[place.column] = gr.Column(visible=False)
        return updates

    @for_visitor
    def show(self, model_name: str, session: Session) -> Updates:
        """The visitor's grid, or a finished example of this very model, or how to begin."""
        mine = passkey_grids.known(session, model_name)
        if mine is None:
            hidden: Updates = {place.column: gr.Column(visible=False) for place in self.columns}
            return {self.note: f'<p class="note">{EMPTY}</p>', **hidden, **self.trial.offer(None)}
        made = ", ".join(method.title for method in mine.grid.methods())
        note = "" if session.grid else EXAMPLE.format(model=mine.grid.model, methods=made)
        return {**self.drawn(mine, note), **self.trial.offer(mine.grid)}

    @for_visitor
    def plan(self, *values: Any) -> Updates:
        """What Run would do, and how long that takes."""
        asked = self.read(*values)
        if asked.opening or asked.session.busy.locked():
            return gr.skip()
        try:
            request = self.request(asked)
        except LongSightError as error:
            return {self.run.status: progress_view.problem(error), self.run.run: gr.Button("Run")}
        grid = passkey_grids.continued(asked.session, request)
        begun = grid.done > 0 and not grid.finished
        fitted = asked.fitted(int(request.grid.length[-1]))
        said = f"<span>{grid_runs.plan(request, grid)}{html.escape(f'; {fitted}') if fitted else ''}</span>"
        return {self.run.status: said, self.run.run: gr.Button("Resume" if begun else "Run")}

    @for_visitor
    def load_grid(self, path: str | None, model_name: str, session: Session) -> Updates:
        """A grid that was saved before stands on the page again, and so do the settings that made it, for Resume."""
        if path is None:
            raise LongSightError("No file arrived; choose a grid that was saved here as JSON.")
        grid = passkey_grids.read_grid(uploads.folder().take(path, passkey_grids.MOST_FILE)[1])
        if len(grid.method) > MOST_METHODS:
            raise LongSightError(f"The file has {len(grid.method)} methods; up to {MOST_METHODS} stand side by side.")
        session.grid = ShownGrid(grid)
        settings = {self.settings[name]: value for name, value in asdict(passkey_grids.settings(grid)).items()}
        shown = {**self.drawn(session.grid), **self.trial.offer(grid)}
        return {**settings, **self._methods(grid, model_name, session), **shown}

    def _methods(self, grid: TrialGrid, model_name: str, session: Session) -> Updates:
        """Updates for the controls of the methods; they stay as they are where the grid is another model's."""
        model, methods = model_catalogue.model(model_name), grid.methods()
        if grid.model != model.name:
            return {}
        length = document_loading.target_length(session, model)
        return self.shared.methods.show(model, side_by_side.pinned(model, methods, length), length)


def build_passkey(shared: SharedControls, tab: gr.Tab) -> list[LinkedControl]:
    panel = build_panel(shared)
    _wire(panel, tab)
    settings = panel.settings
    return [
        LinkedControl("lengths", settings["lengths"], _checked(passkey_grids.read_lengths)),
        LinkedControl("depths", settings["depths"], _checked(passkey_grids.read_depths)),
        LinkedControl("trials", settings["trials"], lambda text: passkey_grids.read_trials(int(text))),
        LinkedControl("filler", settings["filler"], passkey_grids.read_filler),
        LinkedControl("passkey-seed", settings["seed"], lambda text: passkey_grids.read_seed(int(text))),
        LinkedControl("asked", settings["prompt"], passkey_grids.read_prompt),
    ]


def build_panel(shared: SharedControls) -> PasskeyPanel:
    """The controls, the places of the grids, and below them the one where a trial is opened."""
    gr.Markdown(INTRODUCTION, elem_classes="lead")
    with gr.Row(elem_classes="tight", elem_id="passkey-controls"):
        settings = _build_settings()
    run = build_run("passkey")
    note = gr.HTML(elem_id="passkey-note")
    with gr.Row(elem_id="passkey-grids", equal_height=False):
        columns = tuple(_build_column(number) for number in range(MOST_METHODS))
    with gr.Row(elem_classes="run-row"):
        downloads = build_downloads("passkey", "Every trial with its answer:")
        load = gr.UploadButton("Load a grid", size="sm", file_types=[".json"], elem_id="passkey-load", scale=0)
    wire_downloads(downloads, passkey_grids.files, [shared.session, shared.model])
    return PasskeyPanel(shared, settings, run, note, columns, load, build_trial(shared))


def _build_settings() -> dict[str, Any]:
    wide: dict[str, Any] = {"elem_classes": "wide"}
    return {
        "lengths": gr.Textbox(
            "256, 512, 1024, 2048", label="Lengths [tokens]", elem_id="passkey-lengths", max_lines=1, **wide
        ),
        "depths": gr.Textbox("0, 25, 50, 75, 100", label="Depths [%]", elem_id="passkey-depths", max_lines=1),
        "trials": gr.Number(4, label="Trials per cell", elem_id="passkey-trials"),
        "filler": gr.Dropdown(
            [(title, key) for key, title in FILLERS.items()], label="Hidden in", elem_id="passkey-filler",
            filterable=False, **wide,
        ),
        "seed": gr.Number(0, label="Seed", elem_id="passkey-seed"),
        "prompt": gr.Dropdown(
            [(title, key) for key, title in PROMPTS.items()], label="Asked by", elem_id="passkey-prompt",
            filterable=False, **wide,
        ),
    }  # fmt: skip


def _build_column(number: int) -> GridColumn:
    with gr.Column(
        visible=False, min_width=260, elem_id=f"passkey-method-{number}", elem_classes="passkey-method"
    ) as column:
        side = gr.HTML()
        grid = plot("Pass keys found, by length and depth", elem_id=f"passkey-grid-{number}")
    return GridColumn(column, side, grid)


def _checked(read: Callable[[str], Any]) -> Callable[[str], str]:
    def checked(text: str) -> str:
        read(text)
        return text

    return checked


def _wire(panel: PasskeyPanel, tab: gr.Tab) -> None:
    shared, run, settings, trial = panel.shared, panel.run, panel.settings, panel.trial
    inputs, planned = panel.inputs, panel.planned
    wire_run(
        run, panel.fill, inputs, [run.status, *panel.shown],
        session=shared.session, stop=running.stop,
    ).then(panel.plan, inputs, planned, **HIDDEN)  # fmt: skip
    choices = [settings["filler"], settings["prompt"]]
    boxes = [box for box in settings.values() if box not in choices]
    typed = [event for box in boxes for event in (box.submit, box.blur)]
    changes = [
        shared.methods.line.change, shared.context.length.change, shared.speed.change, shared.model.change,
    ]  # fmt: skip
    picked = [choice.input for choice in choices]
    when_changed([*typed, *picked, *changes], panel.plan, inputs, planned, tab)
    when_changed([shared.model.change], panel.show, [shared.model, shared.session], panel.shown, tab)
    outputs = [*settings.values(), *shared.methods.shown, *panel.shown]
    panel.load.upload(
        panel.load_grid, [panel.load, shared.model, shared.session], outputs,
        show_progress="hidden", api_visibility="private",
    ).then(panel.plan, inputs, planned, **HIDDEN)  # fmt: skip
    for number, place in enumerate(panel.columns):
        place.grid.pick(trial.picked(number), [shared.session, shared.model], [*trial.opened, trial.listed], **HIDDEN)
