"""Evaluations: a finished run, or one that the visitor brings, in the shape of the papers' tables and figures."""

import html
from dataclasses import dataclass
from typing import Any

import gradio as gr

from analysis.drawing.drawn_figure import DrawnFigure
from analysis.evaluation.report_parts import html_of
from analysis.evaluation.results import FILE, MOST_BYTES, read_rows
from app.components.board import board, board_value
from app.components.changes import when_changed
from app.components.errors import for_visitor
from app.components.permalink import LinkedControl
from app.components.run_controls import Updates
from app.panels.shared_controls import SharedControls
from app.session import uploads
from app.session.opened_results import OpenedResults, open_results, shipped
from app.session.sessions import Session
from longsight.errors import LongSightError

INTRODUCTION = """\
Whole evaluations, in the shape of the papers' tables and figures, beside what the papers report of their models. \
Nothing is computed here: `python -m analysis.evaluate` runs them, for any model, and writes the file that is opened."""
EXAMPLE = "A finished run of the embedded models. Open the results of your own with the button."


def opened(session: Session) -> OpenedResults:
    """The visitor's own results, or those that ship. Raises `LongSightError` where there are none."""
    results = session.results or shipped()
    if results is None:
        raise LongSightError(f"No finished run ships with this copy; open a {FILE} that analysis.evaluate wrote.")
    return results


@dataclass(frozen=True)
class EvaluatePanel:
    """The controls and the places of the tab."""

    part: gr.Dropdown
    load: gr.UploadButton
    note: gr.HTML
    lead: gr.HTML
    figures: gr.HTML
    tables: gr.HTML
    about: gr.HTML

    @property
    def shown(self) -> list[Any]:
        """What `show` updates."""
        return [self.part, self.note, self.lead, self.figures, self.tables, self.about]

    @for_visitor
    def show(self, part: Any, session: Session) -> Updates:
        """One part of the results, and what is said of all of them."""
        results = opened(session)
        return {
            self.part: gr.Dropdown(results.choices),
            **self.drawn(results, part, "" if session.results else EXAMPLE),
        }

    @for_visitor
    def change_model(self, part: Any, model_name: str, session: Session) -> Updates:
        """What is shown is shown of another model, where the results have it."""
        results = opened(session)
        return {self.part: results.counterpart(results.known(part), model_name)}

    @for_visitor
    def load_results(self, path: str | None, model_name: str, session: Session) -> Updates:
        """Open a file of results; the one before it stays when anything is wrong with it."""
        if path is None:
            raise LongSightError(f"No file arrived; choose the {FILE} that analysis.evaluate wrote.")
        name, content = uploads.folder().take(path, MOST_BYTES)
        results = open_results(name, read_rows(content, name))
        session.results, number = results, results.story(model_name)
        return {self.part: gr.Dropdown(results.choices, value=number), **self.drawn(results, number)}

    def drawn(self, results: OpenedResults, number: Any, note: str = "") -> Updates:
        """The part `number`. Raises `LongSightError` when there is none."""
        part = results.parts[results.known(number)]
        about = "".join(f"<p>{html.escape(line)}</p>" for line in results.lead)
        return {
            self.note: f'<p class="note">{html.escape(note)}</p>' if note else "",
            self.lead: f'<p class="lead">{html.escape(part.look)}</p>',
            self.figures: board_value([DrawnFigure(name, figure) for name, figure in part.figures.items()]),
            self.tables: f'<div class="part">{html_of(part)}</div>',
            self.about: f'<div class="part about-run">{about}</div>',
        }


def build_evaluate(shared: SharedControls, tab: gr.Tab) -> list[LinkedControl]:
    panel = build_panel(shared.model.value)
    when_changed([shared.model.input], panel.change_model, [panel.part, shared.model, shared.session], [panel.part])
    when_changed([panel.part.change], panel.show, [panel.part, shared.session], panel.shown, tab)
    panel.load.upload(
        panel.load_results, [panel.load, shared.model, shared.session], panel.shown,
        show_progress="hidden", api_visibility="private",
    )  # fmt: skip
    return [LinkedControl("part", panel.part, lambda text: opened(Session()).known(int(text)))]


def build_panel(model_name: str) -> EvaluatePanel:
    """Which part of the results, to begin with that of a model, and the places for it."""
    gr.Markdown(INTRODUCTION, elem_classes="lead")
    with gr.Row(elem_classes="tight", elem_id="evaluate-controls"):
        results = shipped()
        choices, value = ([], None) if results is None else (results.choices, results.story(model_name))
        part = gr.Dropdown(choices, value=value, label="Table or figure", elem_id="part", filterable=False, scale=3)
        load = gr.UploadButton(f"Open {FILE}", size="sm", file_types=[".jsonl"], elem_id="results", scale=0)
    note = gr.HTML(elem_id="evaluate-note")
    lead_of_part = gr.HTML(elem_id="evaluate-lead")
    figures = board(board_value(), elem_id="evaluate-board")
    tables, about = gr.HTML(elem_id="evaluate-tables"), gr.HTML(elem_id="evaluate-about")
    return EvaluatePanel(part, load, note, lead_of_part, figures, tables, about)
