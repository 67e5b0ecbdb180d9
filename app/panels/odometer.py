"""Odometer: the document read over and over, for as long as the visitor likes, by methods whose cache does not grow."""

import html
from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

import gradio as gr

from analysis.evaluation.endless.odometer_figure import LOOK, PAPER
from app.components.board import BoardView, board, board_value
from app.components.changes import when_changed
from app.components.downloads import build_downloads, wire_downloads
from app.components.errors import for_visitor
from app.components.permalink import LinkedControl
from app.components.run_controls import RunControls, Updates, build_run, wire_run
from app.panels.asked import Asked
from app.panels.shared_controls import SharedControls
from app.session import long_readings, progress_view, running
from app.session.long_readings import LongRequest
from app.session.sessions import Session
from longsight.errors import LongSightError

INTRODUCTION = f"""\
How far can a text go on? The document is read again and again, as one text without an end. A method that forgets \
needs no more memory for the millionth token than for the thousandth, and its perplexity stays where it is. {LOOK} \
Compare: {PAPER}, which goes to 200 million tokens."""
LENGTH = "200k"


@dataclass(frozen=True)
class OdometerPanel:
    """The controls and the places of the tab."""

    shared: SharedControls
    tokens: gr.Textbox
    run: RunControls
    sides: gr.HTML
    board: gr.HTML

    @property
    def inputs(self) -> list[Any]:
        return [self.tokens, *self.shared.inputs]

    @property
    def shown(self) -> list[Any]:
        """What `read` updates."""
        return [self.run.status, self.sides, self.board]

    def request(self, asked: Asked) -> LongRequest:
        """What is asked for, checked. Raises `LongSightError` where that cannot be read."""
        tokens = long_readings.check_tokens(asked[self.tokens])
        return long_readings.make_request(asked.session, asked.model, asked.methods(tokens), tokens)

    def read(self, *values: Any) -> Generator[Updates, None, None]:
        """Run."""
        asked = Asked.with_values(self.shared, self.inputs, values)
        for view in long_readings.read_steps(asked.session, self.request(asked)):
            figures = {} if view.figures is None else {self.board: board_value(view.figures)}
            yield {self.run.status: view.status, self.sides: view.sides, **figures}

    @for_visitor
    def plan(self, *values: Any) -> Updates:
        """What Run would read, and how long that takes."""
        asked = Asked.with_values(self.shared, self.inputs, values)
        if asked.opening or asked.session.busy.locked():
            return gr.skip()
        try:
            request = self.request(asked)
            fitted = "".join(f"; {said}" for said in filter(None, [asked.fitted(request.tokens)]))
            return {self.run.status: f"<span>{long_readings.plan(request)}{html.escape(fitted)}</span>"}
        except LongSightError as error:
            return {self.run.status: progress_view.problem(error)}

    @for_visitor
    def show(self, model_name: str, session: Session) -> Updates:
        """The visitor's reading, or a finished example of this very model, or how to begin."""
        if session.busy.locked():
            return gr.skip()
        return {self.board: drawn(session, model_name)}


def build_odometer(shared: SharedControls, tab: gr.Tab) -> list[LinkedControl]:
    panel = build_panel(shared)
    wire_run(panel.run, panel.read, panel.inputs, panel.shown, session=shared.session, stop=running.stop)
    changes = [
        panel.tokens.submit, panel.tokens.blur, shared.methods.line.change, shared.context.length.change,
        shared.speed.change, shared.model.change,
    ]  # fmt: skip
    when_changed(changes, panel.plan, panel.inputs, [panel.run.status], tab)
    when_changed([shared.model.change], panel.show, [shared.model, shared.session], [panel.board], tab)
    return [LinkedControl("far", panel.tokens, _checked)]


def build_panel(shared: SharedControls) -> OdometerPanel:
    """How far, how far it is, and the board for the figures."""
    gr.Markdown(INTRODUCTION, elem_classes="lead")
    with gr.Row(elem_classes="tight", elem_id="odometer-controls"):
        tokens = gr.Textbox(
            LENGTH, label="Length [tokens], as in 200k or 5M", elem_id="odometer-tokens", max_lines=1, max_length=20
        )
    run = build_run("odometer")
    sides = gr.HTML(elem_id="odometer-sides")
    figures = board(drawn(Session(), shared.model.value), elem_id="odometer-board")
    downloads = build_downloads("odometer", "The numbers behind the figures, with names and units:")
    wire_downloads(downloads, long_readings.files, [shared.session, shared.model])
    return OdometerPanel(shared, tokens, run, sides, figures)


def drawn(session: Session, model_name: str) -> BoardView:
    """What the board shows when nothing runs."""
    note, figures = long_readings.shown(session, model_name)
    return board_value(figures, note=note)


def _checked(text: str) -> str:
    long_readings.check_tokens(text)
    return text
