"""Evaluations: a finished run, one that the visitor brings, or one that is run here, in the shape of the papers' tables
and figures."""

import html
from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

import gradio as gr

from analysis.drawing.drawn_figure import DrawnFigure
from analysis.evaluation.report_parts import html_of
from analysis.evaluation.results import FILE, MOST_BYTES, read_rows
from app.components.board import board, board_value
from app.components.changes import when_changed
from app.components.downloads import build_downloads, wire_downloads
from app.components.errors import for_visitor
from app.components.permalink import LinkedControl
from app.components.run_controls import Updates
from app.panels.evaluate_run import build_evaluate_run, wire_evaluate_run
from app.panels.shared_controls import SharedControls
from app.session import running, uploads
from app.session.evaluation_runs import EvaluationView
from app.session.opened_results import FORMATS, OpenedResults, files, open_results, shipped
from app.session.sessions import Session
from longsight.errors import LongSightError

INTRODUCTION = """\
Whole evaluations, in the shape of the papers' tables and figures, beside what the papers report of their models. Run \
one here with the chosen methods, or open one: `python -m analysis.evaluate` runs them with more options, and goes on \
with the same file."""
HIDDEN: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
EXAMPLE = "A finished run of the embedded models. Press Run for one of your own, or open its results with the button."


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
    clear: gr.Button
    note: gr.HTML
    lead: gr.HTML
    figures: gr.HTML
    tables: gr.HTML
    about: gr.HTML

    @property
    def shown(self) -> list[Any]:
        """What `show` updates."""
        return [self.part, self.clear, self.note, self.lead, self.figures, self.tables, self.about]

    @for_visitor
    def show(self, part: Any, session: Session) -> Updates:
        """One part of the results, and what is said of all of them."""
        results = opened(session)
        own = session.results is not None
        return {
            self.part: gr.Dropdown(results.choices),
            self.clear: gr.Button(visible=own),
            **self.drawn(results, part, "" if own else EXAMPLE),
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
        _check_resting(session)
        name, content = uploads.folder().take(path, MOST_BYTES)
        results = open_results(name, read_rows(content, name))
        session.results = results
        return self.open(results, results.story(model_name))

    @for_visitor
    def forget(self, model_name: str, session: Session) -> Updates:
        """Let go of the visitor's own results, for those that ship."""
        _check_resting(session)
        session.results = None
        results = opened(session)
        number = results.story(model_name)
        return {**self.open(results, number), self.note: _note(EXAMPLE), self.clear: gr.Button(visible=False)}

    @for_visitor
    def pick(self, part: Any, session: Session) -> None:
        """The visitor wants to see this part, whatever an evaluation that runs is at."""
        results = opened(session)
        session.picked_part = results.choices[results.known(part)][0]

    def follow(self, view: EvaluationView, model_name: str, picked: str) -> Updates:
        """The results of an evaluation that runs: the part that was picked, or the one at work."""
        results = view.results
        if results is None:
            return {}
        named = next((number for title, number in results.choices if title == picked), None)
        newest = results.newest(view.task, model_name) if named is None else named
        return self.open(results, results.story(model_name) if newest is None else newest)

    def open(self, results: OpenedResults, number: int) -> Updates:
        """The visitor's own results, and their part `number`."""
        part = gr.Dropdown(results.choices, value=number)
        return {self.part: part, self.clear: gr.Button(visible=True), **self.drawn(results, number)}

    def drawn(self, results: OpenedResults, number: Any, note: str = "") -> Updates:
        """The part `number`. Raises `LongSightError` when there is none."""
        part = results.parts[results.known(number)]
        about = "".join(f"<p>{html.escape(line)}</p>" for line in results.lead)
        return {
            self.note: _note(note),
            self.lead: f'<p class="lead">{html.escape(part.look)}</p>',
            self.figures: board_value([DrawnFigure(name, figure) for name, figure in part.figures.items()]),
            self.tables: f'<div class="part">{html_of(part)}</div>',
            self.about: f'<div class="part about-run">{about}</div>',
        }


def build_evaluate(shared: SharedControls, tab: gr.Tab) -> list[LinkedControl]:
    gr.Markdown(INTRODUCTION, elem_classes="lead")
    controls = build_evaluate_run(shared)
    panel = build_panel(shared.model.value)

    def run(*values: Any) -> Generator[Updates, None, None]:
        asked = controls.read(*values)
        for view in controls.steps(asked):
            yield {controls.run.status: view.status, **panel.follow(view, asked.model.name, asked.session.picked_part)}

    whose: list[Any] = [shared.model, shared.session]
    wire_evaluate_run(controls, run, panel.shown, tab)
    when_changed([shared.model.input], panel.change_model, [panel.part, *whose], [panel.part])
    when_changed([panel.part.change], panel.show, [panel.part, shared.session], panel.shown, tab)
    panel.part.input(panel.pick, [panel.part, shared.session], None, **HIDDEN)
    loaded = panel.load.upload(panel.load_results, [panel.load, *whose], panel.shown, **HIDDEN)
    cleared = panel.clear.click(panel.forget, whose, panel.shown, **HIDDEN)
    for event in (loaded, cleared):  # what is open is not done again
        event.then(controls.plan, controls.inputs, controls.planned, **HIDDEN)
    downloads = build_downloads("evaluate", "These results, to open again or to go on with; or as a page:", FORMATS)
    wire_downloads(downloads, lambda kind, session: files(kind, opened(session)), [shared.session])
    return [LinkedControl("part", panel.part, lambda text: opened(Session()).known(int(text))), *controls.views()]


def build_panel(model_name: str) -> EvaluatePanel:
    """Which part of the results, to begin with that of a model, and the places for it."""
    with gr.Row(elem_classes="tight", elem_id="evaluate-controls"):
        results = shipped()
        choices, value = ([], None) if results is None else (results.choices, results.story(model_name))
        part = gr.Dropdown(choices, value=value, label="Table or figure", elem_id="part", filterable=False, scale=3)
        load = gr.UploadButton(f"Open {FILE}", size="sm", file_types=[".jsonl"], elem_id="results", scale=0)
        clear = gr.Button("Clear", size="sm", elem_id="evaluate-clear", scale=0, visible=False)
    note = gr.HTML(elem_id="evaluate-note")
    lead_of_part = gr.HTML(elem_id="evaluate-lead")
    figures = board(board_value(), elem_id="evaluate-board")
    tables, about = gr.HTML(elem_id="evaluate-tables"), gr.HTML(elem_id="evaluate-about")
    return EvaluatePanel(part, load, clear, note, lead_of_part, figures, tables, about)


def _check_resting(session: Session) -> None:
    """Raise while something runs: it would put back what it began with."""
    if session.busy.locked():
        raise LongSightError(running.BUSY)


def _note(sentence: str) -> str:
    return f'<p class="note">{html.escape(sentence)}</p>' if sentence else ""
