"""Diagnostics: see why it breaks. All panels of the analysis in one tab, each made from what it says of itself."""

import html
import json
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr

from analysis.diagnostics.base import Panel
from analysis.diagnostics.panels import PANELS
from analysis.runs import make_runs
from app.assets import SAMPLES
from app.components.board import board, board_value
from app.components.changes import when_changed
from app.components.downloads import build_downloads, wire_downloads
from app.components.errors import for_visitor
from app.components.permalink import LinkedControl
from app.panels import choice_controls, method_controls
from app.panels.choice_controls import KINDS, build_choices, read_choice
from app.panels.shell import Shell
from app.session import document_loading, measurements, model_catalogue, running
from app.session.measurements import Look, MeasurementRequest
from app.session.running import RunControls, build_run, wire_run
from app.session.samples import sample, samples
from app.session.sessions import Session
from longsight.errors import LongSightError

TAB = "diagnostics"
LENGTH = 2048
FIRST = "nll"  # where one sees at once that something breaks
FIRST_LOOK = SAMPLES / "first_look.json"
EMPTY = "Nothing has been measured here yet. Press Run to read the text with each method and look inside."
MEASURED = "<span>measured</span>"
HIDDEN: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}


@dataclass(frozen=True)
class DiagnosticsParts:
    """The controls and the places of the tab."""

    panel: gr.Radio
    look: gr.HTML
    length: gr.Number
    others: gr.Dropdown
    choices: dict[str, Any]
    run: RunControls
    sides: gr.HTML
    board: gr.HTML
    again: gr.Number  # a number that grows when a click asks for another run

    @property
    def asked(self) -> list[Any]:
        return [self.panel, self.length, self.others, *self.choices.values()]

    @property
    def shown(self) -> list[Any]:
        """What `show` updates."""
        return [self.look, self.others, *self.choices.values(), self.run.status, self.sides, self.board]


def build_diagnostics(shell: Shell, tab: gr.Tab) -> list[LinkedControl]:
    names = [(panel.title, key) for key, panel in PANELS.items()]
    panel = gr.Radio(names, value=FIRST, show_label=False, container=False, elem_id="panel", label="Panel")
    look = gr.HTML(sentence(PANELS[FIRST]), elem_id="look")
    with gr.Row(elem_classes="tight", elem_id="look-controls"):
        length = gr.Number(
            LENGTH, label="Length [tokens]", precision=0, minimum=0, elem_id="look-length", min_width=120
        )
        others = gr.Dropdown(
            [(entry.title, key) for key, entry in samples().items()], multiselect=True, max_choices=3,
            label="Beside the document", elem_id="look-others", visible=False, min_width=200,
        )  # fmt: skip
        choices = build_choices(PANELS[FIRST])
    run = build_run("look")
    sides = gr.HTML(elem_id="look-sides")
    shown = board(first_look(), elem_id="board")
    downloads = build_downloads("look", "The numbers behind the figures, with names and units:")
    again = gr.Number(0, visible="hidden", elem_id="look-again", label="runs asked for by clicks")
    parts = DiagnosticsParts(panel, look, length, others, choices, run, sides, shown, again)
    wire_downloads(downloads, measurements.files, [shell.session])
    _wire(shell, tab, parts)
    return [
        LinkedControl("panel", panel, _panel_key),
        LinkedControl("length", length, lambda text: measurements.check_length(int(text))),
        LinkedControl("beside", others, _sample_keys),
        *choice_controls.views(choices),
    ]


def _wire(shell: Shell, tab: gr.Tab, parts: DiagnosticsParts) -> None:
    context = [shell.model, shell.session, *shell.methods.inputs]
    asked, told = [*parts.asked, *context], [parts.run.status, parts.sides, parts.board]
    wire_run(parts.run, shell.session, run_look, asked, told, api_name="look", also=[parts.again.change])
    changes = [
        parts.panel.change, parts.others.input, parts.length.submit, parts.length.blur,
        *choice_controls.changes(parts.choices), shell.methods.line.change, shell.context.length.change,
        shell.speed.change,
    ]  # fmt: skip
    when_changed(changes, follow, [shell.tab, *asked], parts.shown)
    tab.select(show, asked, parts.shown, **HIDDEN)
    picked = [parts.choices["mark"], parts.choices["layers"], parts.choices["heads"], parts.again]
    parts.board.pick(pick, [parts.again], picked, **HIDDEN).then(
        show, asked, parts.shown, **HIDDEN, trigger_mode="always_last"
    )
    zoomed = [parts.choices["queries"], parts.choices["keys"], parts.again]
    parts.board.zoom(zoom, [*zoomed], zoomed, **HIDDEN)


def sentence(panel: Panel) -> str:
    """What to look for, and the figure of the papers that shows it."""
    source = f'<span class="source">Compare: {html.escape(panel.paper)}.</span>'
    return f'<div class="lead"><p>{html.escape(panel.look)} {source}</p></div>'


def read_request(
    panel_key: Any,
    length: Any,
    others: Any,
    choices: Sequence[Any],
    model_name: str,
    session: Session,
    values: Sequence[Any],
) -> MeasurementRequest:
    """What the controls ask for. Raises `LongSightError` where that cannot be looked at.

    Parameters that stand at their rule of thumb follow the length that is looked at, not that of the whole document.
    """
    panel = PANELS[_panel_key(panel_key)]
    model = model_catalogue.model(model_name)
    tokens = measurements.check_length(length)
    texts = measurements.read_texts(session, model, panel, tokens, list(others or []))
    whole = document_loading.target_length(session, model)
    methods = method_controls.read_values(model, values, whole)
    methods = method_controls.follow(model, methods, whole, max(len(text.ids) for text in texts))
    return MeasurementRequest(model, panel, texts, make_runs(methods), read_choice(panel, choices))


def _panel_key(key: Any) -> str:
    if key not in PANELS:
        raise LongSightError(f"There is no panel {key!r}; there are {', '.join(PANELS)}.")
    return str(key)


def _sample_keys(text: str) -> list[str]:
    return [sample(key).key for key in text.split(",") if key]


def _split(values: Sequence[Any]) -> tuple[Any, ...]:
    """The values of `DiagnosticsParts.asked` and the context as the arguments of `read_request`."""
    panel, length, others, *rest = values
    choices, (model_name, session, *methods) = rest[: len(KINDS)], rest[len(KINDS) :]
    return panel, length, others, choices, model_name, session, methods


def run_look(*values: Any) -> Generator[list[Any], None, None]:
    """Run: read and measure with each method; updates for the line, the methods' cells and the board."""
    arguments = _split(values)
    session: Session = arguments[5]
    request = read_request(*arguments)
    session.panel = request.panel.key
    for picture in measurements.look_steps(session, request):
        if session.panel != request.panel.key:  # another panel was opened meanwhile
            running.stop(session)
            yield [gr.skip()] * 3
            continue
        yield [picture.status, picture.sides, gr.skip() if picture.board is None else picture.board]


@for_visitor
def follow(tab: str, *values: Any) -> list[Any]:
    """A control has changed; nothing is done where nobody looks."""
    return show(*values) if tab == TAB else [gr.skip()] * SHOWN


SHOWN = 2 + len(KINDS) + 3


@for_visitor
def show(*values: Any) -> list[Any]:
    """The panel as it is asked for: its sentence and controls, what a run would take, and what was measured before."""
    panel_key, *_, session, methods = arguments = _split(values)
    panel = PANELS[_panel_key(panel_key)]
    head = [sentence(panel), gr.update(visible=panel.texts > 1), *choice_controls.shown(panel)]
    if method_controls.opening(methods):
        return [*head, *[gr.skip()] * 3]
    fresh, session.panel = session.panel != panel.key, panel.key
    blank = ["", unmeasured(panel)] if fresh else [gr.skip()] * 2
    try:
        request = read_request(*arguments)
    except LongSightError as error:
        return [*head, f'<p class="problem" role="alert">{html.escape(str(error))}</p>', *blank]
    if session.busy.locked():
        return [*head, gr.skip(), *blank]
    look: Look | None = session.look
    if look is not None and not fresh and look.measured(request):
        board = gr.skip() if look.request.choice == request.choice else measurements.shown(request, look.sides)
        session.look = Look(request, look.sides)
        return [*head, MEASURED, gr.skip(), board]
    sides = measurements.from_cache(request)
    if sides is None:
        return [*head, f"<span>{html.escape(measurements.plan(request))}</span>", *blank]
    session.look = Look(request, sides)
    return [*head, MEASURED, measurements.sides_view(sides, {}), measurements.shown(request, sides)]


def unmeasured(panel: Panel) -> dict[str, Any]:
    """What stands in a panel before its first run: a finished example where there is one, or how to begin."""
    return first_look() if panel.key == FIRST else board_value([], [], note=EMPTY)


def first_look() -> dict[str, Any]:
    """A finished look, recorded with an embedded model."""
    if not FIRST_LOOK.exists():
        return board_value([], [], note=EMPTY)
    return json.loads(FIRST_LOOK.read_text(encoding="utf-8"))


@for_visitor
def pick(again: Any, event: gr.EventData) -> list[Any]:
    """A click in a figure: mark its position, or look at the head whose small map it was."""
    told = event._data
    position, layer, head = (_clicked(told.get(name)) for name in ("position", "layer", "head"))
    if layer is not None and head is not None:
        return [gr.skip(), str(layer), str(head), int(again or 0) + 1]
    return [gr.skip() if position is None else str(position), gr.skip(), gr.skip(), gr.skip()]


@for_visitor
def zoom(queries: Any, keys: Any, again: Any, event: gr.EventData) -> list[Any]:
    """A frame drawn in a pooled map: look at what is inside in full resolution; a double click: at all again."""
    wanted = [_span(event._data.get(name)) for name in ("queries", "keys")]
    if wanted == [queries or "", keys or ""]:
        return [gr.skip()] * 3
    return [*wanted, int(again or 0) + 1]


def _span(told: Any) -> str:
    return "" if told is None else f"{_clicked(told[0])}:{_clicked(told[1])}"


def _clicked(told: Any) -> int | None:
    if told is None or isinstance(told, bool) or not isinstance(told, (int, float)):
        return None
    return int(told)
