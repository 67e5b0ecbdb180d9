"""The place under the grids where a trial is opened: the prompt, the answer, and who looked at the key."""

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any

import gradio as gr

from app.components.errors import for_visitor
from app.components.plot import drawn, plot
from app.panels.shell import Shell
from app.session import passkey_grids, trials
from app.session.running import build_run, wire_run
from app.session.sessions import Session

ABOUT = (
    '<p class="caption">By layer and head, the part of its attention that the query which brings forth the answer\'s '
    "first digit gives to the key's digits. Pale in the prompt: what this query cannot see; struck out: what was never "
    "read.</p>"
)
HINT = "Click on a cell of a grid to see the prompt, the answer, and where it came from."


@dataclass(frozen=True)
class TrialPanel:
    """`cell` names the trial; when it changes, the trial is opened."""

    cell: gr.Textbox
    trial: gr.Radio
    choice: gr.Column


def build_trial(shell: Shell) -> TrialPanel:
    cell = gr.Textbox(visible="hidden", elem_id="lab-cell", label="trial")
    with gr.Column(elem_id="lab-trial"):
        with gr.Column(visible=False) as choice:
            trial = gr.Radio([], label="Trials of this cell", elem_id="lab-trials-of-cell")
            run = build_run("lab-open", "Open again")
        told = gr.HTML(f'<p class="caption">{HINT}</p>', elem_id="lab-told")
        with gr.Row(equal_height=False):
            with gr.Column(min_width=280):
                prompt = gr.HTML(elem_id="lab-prompt")
            with gr.Column(min_width=280):
                about = gr.HTML(elem_id="lab-about")
                heads = plot("Attention on the key by layer and head", elem_id="lab-heads", visible=False)
    outputs = [run.status, told, prompt, about, heads]
    wire_run(run, shell.session, open_trial, [cell, shell.session], outputs, api_name="trial", also=[cell.change])
    trial.input(other_trial, [cell, trial], cell, show_progress="hidden", api_visibility="private")
    return TrialPanel(cell, trial, choice)


def picked(method: int) -> Callable[..., list[Any]]:
    """The callback for a click in the grid at place `method`: the cell's first trial, and the others to pick from."""

    @for_visitor
    def pick(session: Session, event: gr.EventData) -> list[Any]:
        grid = passkey_grids.current(session).grid
        place = trials.read_place(grid, f"{method}:{event._data.get('x')}:{event._data.get('y')}:0")
        return [
            trials.write_place(place),
            gr.Radio(trials.choices(grid, place), value=0),
            gr.Column(visible=True),
        ]

    return pick


def other_trial(cell: str, trial: Any) -> str:
    """The name of another trial of the same cell."""
    return f"{cell.rpartition(':')[0]}:{trial}"


def open_trial(cell: str, session: Session) -> Generator[list[Any], None, None]:
    """Updates for the line, the words, the prompt and the heads."""
    if not cell:
        yield [gr.skip()] * 5
        return
    for picture in trials.open_steps(session, cell):
        if picture.figure is None:
            yield [picture.status, *[gr.skip()] * 4]
        else:
            heads = gr.update(value=drawn(picture.figure), visible=True)
            yield [picture.status, picture.told, picture.prompt, ABOUT, heads]
