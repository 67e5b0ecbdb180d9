"""Diagnostics: see why it breaks. All panels of the analysis in one tab, each made from what it says of itself."""

import html
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from typing import Any

import gradio as gr

from analysis.diagnostics.base import Panel
from analysis.diagnostics.panels import PANELS
from analysis.runs import make_runs, typed
from app.components.board import BoardText, BoardView, board, board_value
from app.components.changes import when_changed
from app.components.checked_blocks import span, told, whole
from app.components.downloads import build_downloads, wire_downloads
from app.components.errors import as_notice, for_visitor
from app.components.glossary import explained
from app.components.permalink import LinkedControl
from app.components.run_controls import RunControls, Updates, build_run, wire_run
from app.panels import option_controls
from app.panels.asked import Asked
from app.panels.option_controls import read_options
from app.panels.shared_controls import SharedControls
from app.session import finished_examples, measurements, running
from app.session.finished_examples import DIAGNOSTICS
from app.session.measurement_request import Measurement, MeasurementRequest
from app.session.measurements import MeasurementFigures
from app.session.progress_view import problem, titled
from app.session.samples import sample, samples
from app.session.sessions import Session
from longsight.errors import LongSightError

LENGTH = 2048
MOST_BESIDE = 3
FIRST = "nll"  # where one sees at once that something breaks
EMPTY = "Nothing has been measured here yet. Press Run to read the text with each method and look inside."
MEASURED = "<span>measured</span>"
HIDDEN: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}


@dataclass(frozen=True)
class DiagnosticsPanel:
    """The controls and the places of the tab; `options` by the field of `PanelOptions` that each one asks for."""

    shared: SharedControls
    panel: gr.Radio
    lead: gr.HTML
    length: gr.Number
    others: gr.Dropdown
    options: Mapping[str, Any]
    run: RunControls
    sides: gr.HTML
    board: gr.HTML
    again: gr.Number  # a number that grows when a click asks for another run

    @property
    def inputs(self) -> list[Any]:
        return [self.panel, self.length, self.others, *self.options.values(), *self.shared.inputs]

    @property
    def shown(self) -> list[Any]:
        """What `show` updates."""
        return [self.lead, self.others, *self.options.values(), self.run.status, self.sides, self.board]

    def read(self, *values: Any) -> Asked:
        """The values of `inputs`."""
        return Asked.with_values(self.shared, self.inputs, values)

    def request(self, asked: Asked) -> MeasurementRequest:
        """What is asked for, checked. Raises `LongSightError` where that cannot be measured.

        Parameters that stand at their rule of thumb follow the length that is read, not that of the whole document.
        """
        panel, model = PANELS[_panel_key(asked[self.panel])], asked.model
        tokens = measurements.check_length(asked[self.length])
        texts = measurements.read_texts(asked.session, model, panel, tokens, list(asked[self.others] or []))
        methods = asked.methods(max(len(text.ids) for text in texts))
        options = read_options(panel, {name: asked[control] for name, control in self.options.items()})
        return MeasurementRequest(model, panel, texts, make_runs(methods), options)

    def measure(self, *values: Any) -> Generator[Updates, None, None]:
        """Run: read the text with each method and measure."""
        asked = self.read(*values)
        session, request = asked.session, self.request(asked)
        session.panel, fitted = request.panel.key, _fitted(asked, request)
        for view in measurements.measure_steps(session, request):
            if session.panel != request.panel.key:  # another panel was opened meanwhile
                running.stop(session)
                yield {}
                continue
            figures = {} if view.figures is None else {self.board: drawn(view.figures)}
            yield {self.run.status: view.status or fitted, self.sides: view.sides, **figures}

    @for_visitor
    def show(self, *values: Any) -> Updates:
        """The panel as it is asked for: its controls, what a run would take, and what was measured before."""
        asked = self.read(*values)
        panel, session = PANELS[_panel_key(asked[self.panel])], asked.session
        controls = {self.options[name]: update for name, update in option_controls.shown(panel).items()}
        head = {self.lead: sentence(panel), self.others: gr.update(visible=panel.texts > 1), **controls}
        if asked.opening:
            return head
        fresh, session.panel = session.panel != panel.key, panel.key
        blank = {self.sides: "", self.board: unmeasured(panel, asked.model.name)} if fresh else {}
        try:
            request = self.request(asked)
        except LongSightError as error:
            return {**head, **blank, self.run.status: problem(error)}
        if session.busy.locked():
            return {**head, **blank}
        known = self._known(session, request, fresh)
        return {**head, **blank, **known, self.run.status: known[self.run.status] + _fitted(asked, request)}

    @for_visitor
    def change_model(self, panel: str, model_name: str, session: Session) -> Updates:
        """What the panel opens with is this model's; figures that the visitor measured stay."""
        if session.measurement is not None or session.busy.locked():
            return gr.skip()
        return {self.board: unmeasured(PANELS[_panel_key(panel)], model_name)}

    def _known(self, session: Session, request: MeasurementRequest, fresh: bool) -> Updates:
        """What is known of a request without reading: its figures, or how long measuring will take."""
        before = session.measurement
        mine = before is not None and before.answers(request)
        if before is not None and mine and not fresh and before.request.options == request.options:
            return {self.run.status: MEASURED}
        sides = before.sides if before is not None and mine else measurements.from_cache(request)
        if sides is None:
            return {self.run.status: f"<span>{html.escape(measurements.plan(request))}</span>"}
        session.measurement = Measurement(request, sides)
        return {
            self.run.status: MEASURED,
            self.sides: measurements.sides_view(sides, {}),
            self.board: drawn(measurements.draw(request, sides)),
        }

    @for_visitor
    def pick(self, enlarged: Any, event: gr.EventData) -> Updates:
        """A click in a figure: mark its position, or enlarge the small map that it fell into, or no longer do so."""
        position, layer, head = (whole(told(event).get(name)) for name in ("position", "layer", "head"))
        if layer is not None and head is not None:
            place = f"{layer}.{head}"
            return {self.options["enlarged"]: "" if place == enlarged else place}
        return gr.skip() if position is None else {self.options["mark"]: str(position)}

    @for_visitor
    def zoom(self, queries: Any, keys: Any, enlarged: Any, again: Any, event: gr.EventData) -> Updates:
        """A frame drawn in a pooled map: read once more, to look at what is inside in full resolution, and at that head
        alone if one is enlarged; a double click: at all again."""
        wanted = {name: span(told(event).get(name)) for name in ("queries", "keys")}
        if wanted == {"queries": queries or "", "keys": keys or ""}:
            return gr.skip()
        if (head := typed.place("enlarged", enlarged)) is not None:
            wanted |= dict(zip(("layers", "heads", "enlarged"), (*map(str, head), ""), strict=True))
        return {**{self.options[name]: text for name, text in wanted.items()}, self.again: (whole(again) or 0) + 1}


def build_diagnostics(shared: SharedControls, tab: gr.Tab) -> list[LinkedControl]:
    panel = build_panel(shared)
    _wire(panel, tab)
    return [
        LinkedControl("panel", panel.panel, _panel_key),
        LinkedControl("length", panel.length, lambda text: measurements.check_length(int(text))),
        LinkedControl("beside", panel.others, _sample_keys),
        *option_controls.views(panel.options),
    ]


def build_panel(shared: SharedControls) -> DiagnosticsPanel:
    """Which panel, what it is asked, how far it is, and the board for its figures."""
    names = [(panel.title, key) for key, panel in PANELS.items()]
    panel = gr.Radio(names, value=FIRST, show_label=False, container=False, elem_id="panel", label="Panel")
    lead = gr.HTML(sentence(PANELS[FIRST]), elem_id="diagnostics-lead")
    with gr.Row(elem_classes="tight", elem_id="diagnostics-controls"):
        length = gr.Number(LENGTH, label="Length [tokens]", elem_id="diagnostics-length", min_width=120)
        others = gr.Dropdown(
            [(entry.title, key) for key, entry in samples().items()], multiselect=True, max_choices=MOST_BESIDE,
            label="Beside the document", elem_id="diagnostics-others", visible=False, min_width=200,
        )  # fmt: skip
        options = option_controls.build_options(PANELS[FIRST])
    run = build_run("diagnostics")
    sides = gr.HTML(elem_id="diagnostics-sides")
    figures = board(unmeasured(PANELS[FIRST], shared.model.value), elem_id="board")
    downloads = build_downloads("diagnostics", "The numbers behind the figures, with names and units:")
    wire_downloads(downloads, measurements.files, [shared.session])
    again = gr.Number(0, visible="hidden", elem_id="diagnostics-again", label="runs asked for by clicks")
    return DiagnosticsPanel(shared, panel, lead, length, others, options, run, sides, figures, again)


def _wire(panel: DiagnosticsPanel, tab: gr.Tab) -> None:
    shared, run, options, inputs = panel.shared, panel.run, panel.options, panel.inputs
    wire_run(
        run, panel.measure, inputs, [run.status, panel.sides, panel.board],
        session=shared.session, stop=running.stop, also=[panel.again.change],
    )  # fmt: skip
    changes = [
        panel.panel.change, panel.others.change, panel.length.submit, panel.length.blur,
        *option_controls.changes(options), shared.methods.line.change, shared.context.length.change,
        shared.speed.change, shared.model.change,
    ]  # fmt: skip
    when_changed(changes, panel.show, inputs, panel.shown, tab)
    when_changed([shared.model.change], panel.change_model, [panel.panel, shared.model, shared.session], [panel.board])
    picked = [options["mark"], options["enlarged"]]
    panel.board.pick(panel.pick, [options["enlarged"]], picked, **HIDDEN).then(
        as_notice(panel.show), inputs, panel.shown, **HIDDEN, trigger_mode="always_last"
    )
    zoomed = [options[name] for name in ("queries", "keys", "enlarged")]
    framed = [*zoomed, options["layers"], options["heads"], panel.again]
    panel.board.zoom(panel.zoom, [*zoomed, panel.again], framed, **HIDDEN)


def _fitted(asked: Asked, request: MeasurementRequest) -> str:
    """What of the methods was fitted to the text that is read, as HTML."""
    said = asked.fitted(request.tokens)
    return f' <span class="fitted">{html.escape(said)}</span>' if said else ""


def sentence(panel: Panel) -> str:
    """What to look for, and the figure of the papers that shows it."""
    source = f'<span class="source">Compare: {html.escape(panel.paper)}.</span>'
    return f'<div class="lead"><p>{explained(panel.look)} {source}</p></div>'


def _panel_key(key: Any) -> str:
    if key not in PANELS:
        raise LongSightError(f"There is no panel {key!r}; there are {', '.join(PANELS)}.")
    return str(key)


def _sample_keys(text: str) -> list[str]:
    found = list(dict.fromkeys(sample(key).key for key in text.split(",") if key))
    if len(found) > MOST_BESIDE:
        raise LongSightError(f"{len(found)} texts were chosen; up to {MOST_BESIDE} stand beside the document.")
    return found


def drawn(shown: MeasurementFigures) -> BoardView:
    """The figures as the board draws them, and beside them what is said of each run."""
    texts = [
        BoardText(title=titled(run), colour=run.colour, html=shown.texts[run.id])
        for run in shown.runs
        if run.id in shown.texts
    ]
    return board_value(shown.figures, len(shown.runs), texts, shown.note)


def unmeasured(panel: Panel, model_name: str) -> BoardView:
    """What stands in a panel before its first run: a finished example of this very model, or how to begin."""
    found = finished_examples.view(model_name, DIAGNOSTICS) if panel.key == FIRST else None
    return found or board_value(note=EMPTY)
