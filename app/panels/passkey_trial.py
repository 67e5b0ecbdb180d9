"""The place under the grids where a trial is opened: the prompt, the answer, and who looked at the key."""

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any

import gradio as gr

from analysis.evaluation.passkey_grid import TrialGrid
from app.components.checked_blocks import told
from app.components.errors import for_visitor
from app.components.plot import drawn, plot
from app.components.run_controls import RunControls, Updates, build_run, wire_run
from app.panels.shared_controls import SharedControls
from app.session import passkey_grids, running, trials
from app.session.sessions import Session

HINT = "Click on a cell of a grid, or choose it in the list, to see the prompt, the answer, and where it came from."


@dataclass(frozen=True)
class TrialPanel:
    """`cell` names the trial; when it changes, the trial is opened."""

    cell: gr.Textbox
    listed: gr.Dropdown
    choice: gr.Column
    trial: gr.Radio
    run: RunControls
    told: gr.HTML
    prompt: gr.HTML
    about: gr.HTML
    heads: gr.HTML

    @property
    def shown(self) -> list[Any]:
        """What `open` updates."""
        return [self.run.status, self.told, self.prompt, self.about, self.heads]

    @property
    def opened(self) -> list[Any]:
        """What `choose` updates, and `picked`, which also clears the list: it is another cell that is open then."""
        return [self.cell, self.trial, self.choice]

    def offer(self, grid: TrialGrid | None) -> Updates:
        """List the cells of a grid."""
        cells = [] if grid is None else trials.cells(grid)
        return {self.listed: gr.Dropdown(cells, value=None, visible=bool(cells))}

    def picked(self, number: int) -> Callable[..., Updates]:
        """The callback for a click in the grid at place `number`: the cell's first trial, and the others to pick."""

        @for_visitor
        def pick(session: Session, model_name: str, event: gr.EventData) -> Updates:
            place = f"{number}:{told(event).get('x')}:{told(event).get('y')}:0"
            return {**self._opened(session, model_name, place), self.listed: None}

        return pick

    @for_visitor
    def choose(self, cell: str | None, session: Session, model_name: str) -> Updates:
        """The same as a click, for a cell of the list."""
        return self._opened(session, model_name, cell) if cell else gr.skip()

    def _opened(self, session: Session, model_name: str, cell: str) -> Updates:
        grid = passkey_grids.current(session, model_name).grid
        place = trials.read_place(grid, cell)
        return {
            self.cell: trials.write_place(place),
            self.trial: gr.Radio(trials.choices(grid, place), value=0),
            self.choice: gr.Column(visible=True),
        }

    def open(self, cell: str, session: Session, model_name: str) -> Generator[Updates, None, None]:
        """Do the trial again, and show what came of it."""
        if not cell:
            yield {}
            return
        for view in trials.open_steps(session, model_name, cell):
            updates: Updates = {self.run.status: view.status}
            if view.figure is not None:
                updates |= {self.told: view.told, self.prompt: view.prompt, self.about: view.about}
                updates[self.heads] = drawn(view.figure)
            yield updates


def other_trial(cell: str | None, trial: Any) -> str:
    """The name of another trial of the same cell."""
    return f"{(cell or '').rpartition(':')[0]}:{trial}"


def build_trial(shared: SharedControls) -> TrialPanel:
    cell = gr.Textbox(visible="hidden", elem_id="passkey-cell", label="trial")
    with gr.Column(elem_id="passkey-trial"):
        listed = gr.Dropdown([], value=None, label="Open a cell", elem_id="passkey-cells")
        with gr.Column(visible=False) as choice:
            trial = gr.Radio([], label="Trials of this cell", elem_id="passkey-trials-of-cell")
            run = build_run("passkey-open", "Open again")
        told = gr.HTML(f'<p class="caption">{HINT}</p>', elem_id="passkey-told")
        with gr.Row(equal_height=False):
            with gr.Column(min_width=280):
                prompt = gr.HTML(elem_id="passkey-prompt")
            with gr.Column(min_width=280):
                about = gr.HTML(elem_id="passkey-about")
                heads = plot("Attention on the key by layer and head", elem_id="passkey-heads")
    panel = TrialPanel(cell, listed, choice, trial, run, told, prompt, about, heads)
    wire_run(
        run, panel.open, [cell, shared.session, shared.model], panel.shown,
        session=shared.session, stop=running.stop, also=[cell.change],
    )  # fmt: skip
    whose = [shared.session, shared.model]
    hidden: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
    listed.change(panel.choose, [listed, *whose], panel.opened, **hidden)
    trial.input(other_trial, [cell, trial], cell, **hidden)
    return panel
