"""The page: what all panels share, and the panels. A new panel is one `build_x` and one line in `build_page`."""

import html
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr

from app import serving
from app.api import build_api
from app.components import permalink, theme
from app.components.checked_blocks import CheckedBlocks
from app.components.errors import as_notice, for_visitor
from app.components.permalink import MOST_QUOTED, LinkedControl
from app.components.run_controls import Updates
from app.components.session_states import SessionStates
from app.front_page import SENTENCE, TITLE
from app.opening import status_line
from app.panels.about import build_about
from app.panels.chat import build_chat
from app.panels.context import UNSET, build_context, wire_context
from app.panels.diagnostics import build_diagnostics
from app.panels.evaluate import build_evaluate
from app.panels.maps import build_maps
from app.panels.method_controls import FIRST_METHODS, build_method_controls
from app.panels.methods import wire_methods
from app.panels.odometer import build_odometer
from app.panels.passkey import build_passkey
from app.panels.shared_controls import SharedControls
from app.session import document_loading, model_catalogue, side_by_side, visits
from app.session.documents import Document, at_once
from app.session.samples import sample, samples
from app.session.sessions import Session
from app.session.side_by_side import ChosenMethod
from longsight.errors import LongSightError
from longsight.models.model import Model
from longsight.progress import finish

VISIT_SECONDS = 4 * 3600
MOST_ADDRESS = 2_000  # characters of one value in the address: three methods with a rule each
CHAT, PASSKEY, DIAGNOSTICS, MAPS, ODOMETER, EVALUATE, ABOUT = TABS = (
    "chat", "passkey", "diagnostics", "maps", "odometer", "evaluate", "about",
)  # fmt: skip
HIDDEN: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}


def build_page() -> gr.Blocks:
    serving.claim_upload_folder()
    serving.count_no_events()
    with CheckedBlocks(title=TITLE, fill_width=True, analytics_enabled=False) as demo:
        session = gr.State(Session(), time_to_live=VISIT_SECONDS, delete_callback=Session.leave)
        with gr.Sidebar(elem_id="side", width=340):
            gr.HTML("<h2>Context</h2>")
            context = build_context()
            gr.HTML("<h2>Methods</h2>")
            methods = build_method_controls()
        model, status = _build_header()
        speed = gr.Textbox(visible="hidden", elem_id="speed", label="the model whose speed is known")
        visit = gr.Textbox(visible="hidden", elem_id="visit", label="this tab's visit")
        shared = SharedControls(model, session, methods, context, speed)
        views: list[LinkedControl] = []
        with gr.Tabs(elem_id="tabs", overflow_behavior="wrap") as tabs:
            views += _panel(CHAT, "Chat", lambda tab: build_chat(shared))
            views += _panel(PASSKEY, "Passkey", lambda tab: build_passkey(shared, tab))
            views += _panel(DIAGNOSTICS, "Diagnostics", lambda tab: build_diagnostics(shared, tab))
            views += _panel(MAPS, "Distance maps", lambda tab: build_maps(shared, tab))
            views += _panel(ODOMETER, "Odometer", lambda tab: build_odometer(shared, tab))
            views += _panel(EVALUATE, "Evaluate", lambda tab: build_evaluate(shared, tab))
            views += _panel(ABOUT, "About", lambda tab: build_about())
        _wire(demo, Page(demo, shared, visit, status, tabs, views))
        build_api(demo, session)
    demo.queue(default_concurrency_limit=None)  # nobody waits for what somebody else is told
    serving.rest_while_idle(demo._queue)
    return demo


def _panel(name: str, title: str, build: Callable[[gr.Tab], list[LinkedControl]]) -> list[LinkedControl]:
    with gr.Tab(title, id=name, elem_id=f"tab-{name}") as tab:
        permalink.follow_tab(tab, name)
        return build(tab)


def _build_header() -> tuple[gr.Dropdown, gr.HTML]:
    with gr.Row(elem_id="header"):
        gr.HTML(f"<h1>{TITLE}</h1><p>{SENTENCE}</p>", elem_id="brand", elem_classes="brand")
        model = gr.Dropdown(
            model_catalogue.names(),
            label="Model",
            elem_id="model",
            show_label=False,
            container=False,
            filterable=False,
            scale=0,
        )
        status = gr.HTML(elem_id="status")
        link = gr.Button("Copy link", size="sm", elem_id="link", scale=0)
        shade = gr.Button("Light / dark", size="sm", elem_id="shade", scale=0)
    link.click(None, None, None, js=theme.COPY_LINK, api_visibility="private")
    shade.click(None, None, None, js="() => longsightShade()", api_visibility="private")
    return model, status


@dataclass(frozen=True)
class Page:
    """What every panel is given, and what no panel needs to know of."""

    demo: gr.Blocks
    shared: SharedControls
    visit: gr.Textbox
    status: gr.HTML
    tabs: gr.Tabs
    views: Sequence[LinkedControl]

    @for_visitor
    def open(self, visit: str, request: gr.Request) -> Updates:
        """Begin a session, or go on with this tab's, and restore the view that the address asks for; what does not fit
        is left out and said so."""
        states = self.demo.state_holder
        assert isinstance(states, SessionStates)
        known = [idle.session for idle in serving.sessions_of(states)]
        session, asked = visits.session_for(visit, known), _asked(request)
        for name in request.query_params.keys() - asked.keys():
            _warn(f"The address asks for a {name[:20]!r} of more than {MOST_ADDRESS:,} characters, which is left out.")
        model = model_catalogue.model(_or_first(asked.get("model"), model_catalogue.names()))
        session.model = model.name
        return {
            self.shared.session: session,
            self.status: status_line(model),
            self.shared.model: model.name,
            **permalink.restored(self.views, asked),
            **({self.tabs: gr.Tabs(selected=_or_first(asked["tab"], list(TABS)))} if "tab" in asked else {}),
        }

    @for_visitor
    def fill(self, model_name: str, session: Session, request: gr.Request) -> Generator[Updates, None, None]:
        """Take in the text that the address asks for, unless it asks for none and the visit has one, and lay its
        methods out; what is said of the text is said again then, because the page may have dropped it."""
        model, asked, context = model_catalogue.model(model_name), _asked(request), self.shared.context
        before = session.document
        here = UNSET if before is None else before.example or UNSET
        key = _text_asked(asked.get("text"), before)
        if key in (here, UNSET):
            finish(document_loading.tokens_steps(session, model))
            said = context.show(session, model, here)
        else:
            for said in context.take(session, model, sample(key).title, at_once(sample(key).document), key):
                yield said
            if before is not None and not before.example and session.document is not before:
                title, own = sample(key).title, before.name  # an example is still in the list
                _warn(f"The address asks for {title}: it took the place of {own}; give that again to go on with it.")
        session.fitted_length = length = document_loading.target_length(session, model)
        methods = _restored_methods(model, asked.get("methods"), length)
        yield {**said, **self.shared.methods.show(model, methods, length)}

    @for_visitor
    def change_model(self, name: str, session: Session) -> Generator[Updates, None, None]:
        """Another model reads the same document, with tokens of its own."""
        session.free(but=name)
        if not model_catalogue.is_loaded(name):
            yield {self.status: f"<span>loading <b>{html.escape(name)}</b> …</span>"}
        model = model_catalogue.model(name)
        for _ in document_loading.tokens_steps(session, model):
            yield {self.status: status_line(model)}
        yield {self.status: status_line(model), **self.shared.context.show(session, model)}


def _wire(demo: gr.Blocks, page: Page) -> None:
    shared, context = page.shared, page.shared.context
    wire_context(context, shared.model, shared.session)
    suited = wire_methods(shared)
    everywhere = [("model", shared.model), ("methods", shared.methods.line), ("text", context.example)]
    named = [*everywhere, *((view.name, view.control) for view in page.views)]
    permalink.follow(named)
    model = [shared.model, shared.session]
    suited.then(
        as_notice(page.change_model), model, [page.status, *context.shown], **HIDDEN, trigger_mode="always_last"
    )
    restored = [shared.session, shared.model, page.status, page.tabs, *(view.control for view in page.views)]
    demo.load(page.open, page.visit, restored, **HIDDEN, concurrency_limit=16, js=visits.TOLD).then(
        page.fill, model, [*shared.methods.shown, *context.shown], **HIDDEN, concurrency_limit=16
    ).then(None, [control for _, control in named], None, js=permalink.settled(named), api_visibility="private")

    def unload(request: gr.Request) -> None:
        close_page(demo, request)

    demo.unload(unload)


def _asked(request: gr.Request) -> dict[str, str]:
    return {name: text for name, text in request.query_params.items() if len(text) <= MOST_ADDRESS}


def _warn(sentence: str) -> None:
    gr.Warning(html.escape(sentence), title="Address")


def _restored_methods(model: Model, line: str | None, length: int) -> list[ChosenMethod]:
    usual = ";".join(FIRST_METHODS)
    try:
        side_by_side.read(model, line or usual, length)
    except LongSightError as error:
        _warn(f"The address asks for methods that cannot be shown. {error}")
        line = usual
    return side_by_side.read_each(model, line or usual, length)


def _text_asked(asked: str | None, before: Document | None) -> str:
    """The example that the address asks for, or what a visit with the text `before` goes on with."""
    if before is None:
        return _or_first(asked, [*samples(), UNSET])
    return _or_first(asked, [before.example or UNSET, *samples(), UNSET], before.name)


def _or_first(asked: str | None, offered: list[str], first: str = "") -> str:
    """What is `asked` for if it is `offered`, or else the first of those, which a notice calls by its name `first`."""
    if asked is None or asked in offered:
        return asked or offered[0]
    _warn(f"The address asks for {asked[:MOST_QUOTED]!r}, which is not here; {first or offered[0]} is shown.")
    return offered[0]


def close_page(demo: gr.Blocks, request: gr.Request) -> None:
    """The visitor has gone: their work ends and the memory of their caches is freed at once."""
    states = demo.state_holder
    assert isinstance(states, SessionStates)
    for value in states.values(request.session_hash or ""):
        if isinstance(value, Session):
            value.leave()
