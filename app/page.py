"""The page: what all panels share, and the panels. A new panel is one `build_x` and one line in `build_page`."""

import html
from collections.abc import Callable, Generator, Iterable
from typing import Any

import gradio as gr

from app.components import permalink, theme
from app.components.errors import as_notice, for_visitor
from app.components.permalink import LinkedControl
from app.panels import method_controls
from app.panels.about import build_about
from app.panels.chat import build_chat
from app.panels.context import PARTS, UNSET, build_context, shown, take, wire_context
from app.panels.diagnostics import build_diagnostics
from app.panels.evaluate import build_evaluate
from app.panels.maps import build_maps
from app.panels.method_controls import FIRST_METHODS, MethodControls, build_method_controls
from app.panels.methods import wire_methods
from app.panels.passkey import build_passkey
from app.panels.shell import Shell
from app.session import devices, document_loading, model_catalogue, sessions, side_by_side
from app.session.documents import MOST_BYTES
from app.session.samples import sample, samples
from app.session.sessions import Session
from longsight.errors import LongSightError
from longsight.models.model import Model

VISIT_SECONDS = 4 * 3600
MOST_ADDRESS = 500  # characters of one value in the address
CHAT, PASSKEY, DIAGNOSTICS, MAPS, EVALUATE, ABOUT = TABS = (
    "chat", "passkey", "diagnostics", "maps", "evaluate", "about",
)  # fmt: skip
TITLE = "LongSight"

LAUNCH: dict[str, Any] = {
    "ssr_mode": False,
    "run_history": False,
    "state_session_capacity": 300,
    "max_file_size": MOST_BYTES,
    "footer_links": ["api"],
}
"""What `launch` is given besides the looks: nothing kept in the visitor's browser, little kept on the server."""


def launch_options() -> dict[str, Any]:
    """Everything for `demo.launch`, which in Gradio 6 also takes the looks."""
    theme.serve_files()
    script = f"<script>{permalink.SCRIPT}{method_controls.script()}{theme.SCRIPT}</script>"
    return {
        **LAUNCH,
        "theme": theme.theme(),
        "css_paths": [theme.STYLES / "longsight.css"],
        "head": theme.head() + script,
    }


def build_page() -> gr.Blocks:
    with gr.Blocks(title=TITLE, fill_width=True, analytics_enabled=False, delete_cache=(3600, 3600)) as demo:
        session = gr.State(Session(), time_to_live=VISIT_SECONDS, delete_callback=Session.leave)
        with gr.Sidebar(elem_id="side", width=340):
            gr.HTML("<h2>Context</h2>")
            context = build_context()
            gr.HTML("<h2>Methods</h2>")
            methods = build_method_controls()
        model, status = _build_header()
        speed = gr.Textbox(visible="hidden", elem_id="speed", label="the model whose speed is known")
        shell = Shell(model, session, methods, context, speed)
        views: list[LinkedControl] = []
        with gr.Tabs(elem_id="tabs") as tabs:
            views += _panel(CHAT, "Chat", lambda tab: build_chat(shell))
            views += _panel(PASSKEY, "Passkey", lambda tab: build_passkey(shell, tab))
            views += _panel(DIAGNOSTICS, "Diagnostics", lambda tab: build_diagnostics(shell, tab))
            views += _panel(MAPS, "Distance maps", lambda tab: build_maps(shell, tab))
            views += _panel(EVALUATE, "Evaluate", lambda tab: build_evaluate(shell, tab))
            views += _panel(ABOUT, "About", lambda tab: build_about())
        _wire(demo, shell, status, tabs, views)
    return demo


def _panel(name: str, title: str, build: Callable[[gr.Tab], list[LinkedControl]]) -> list[LinkedControl]:
    with gr.Tab(title, id=name, elem_id=f"tab-{name}") as tab:
        permalink.follow_tab(tab, name)
        return build(tab)


def _build_header() -> tuple[gr.Dropdown, gr.HTML]:
    with gr.Row(elem_id="header"):
        gr.HTML(
            f"<h1>{TITLE}</h1><p>Why language models lose the thread past their trained length, and what mends it</p>",
            elem_id="brand",
        )
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


def _wire(demo: gr.Blocks, shell: Shell, status: gr.HTML, tabs: gr.Tabs, views: list[LinkedControl]) -> None:
    context = shell.context
    wire_context(context, shell.model, shell.session)
    suited = wire_methods(shell)
    shared = [("model", shell.model), ("methods", shell.methods.line), ("text", context.example)]
    permalink.follow([*shared, *((view.name, view.control) for view in views)])
    suited.then(
        as_notice(change_model),
        [shell.model, shell.session],
        [status, *context.parts],
        show_progress="hidden",
        api_visibility="private",
        trigger_mode="always_last",
    )

    def opening(request: gr.Request) -> dict[Any, Any]:
        return open_page(request.session_hash or "", _asked(request), shell, status, tabs, views)

    def filling(model_name: str, session: Session, request: gr.Request) -> Generator[dict[Any, Any], None, None]:
        yield from fill_page(model_catalogue.model(model_name), session, _asked(request), shell)

    views_of = [view.control for view in views]
    options: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private", "concurrency_limit": 8}
    demo.load(for_visitor(opening), None, [shell.session, shell.model, status, tabs, *views_of], **options).then(
        for_visitor(filling), [shell.model, shell.session], [*shell.methods.shown, *context.parts], **options
    ).then(None, None, None, js=permalink.OPENED, api_visibility="private")
    demo.unload(close_page)


def _asked(request: gr.Request) -> dict[str, str]:
    return {name: text[:MOST_ADDRESS] for name, text in request.query_params.items()}


def open_page(
    session_hash: str, asked: dict[str, str], shell: Shell, status: gr.HTML, tabs: gr.Tabs, views: list[LinkedControl]
) -> dict[Any, Any]:
    """Begin a session and restore the view that the address asks for; what does not fit is left out, and said so."""
    session = Session()
    sessions.remember(session_hash, session)
    model = model_catalogue.model(_or_first(asked.get("model"), model_catalogue.names()))
    return {
        shell.session: session,
        status: status_line(model),
        shell.model: model.name,
        **permalink.restored(views, asked),
        **({tabs: gr.Tabs(selected=asked["tab"])} if asked.get("tab") in TABS else {}),
    }


def fill_page(
    model: Model, session: Session, asked: dict[str, str], shell: Shell
) -> Generator[dict[Any, Any], None, None]:
    """Take in the text that the address asks for, and lay its methods out; what is said of the text is said again then,
    because the page may have dropped it."""
    key = _or_first(asked.get("text"), [*samples(), UNSET])
    if key == UNSET:
        updates: Iterable[list[Any]] = [shown(session, model, key=key)]
    else:
        updates = take(session, model, sample(key).document, key)
    context: dict[Any, Any] = {}
    for update in updates:
        context = dict(zip(shell.context.parts, update, strict=True))
        yield context
    session.fitted_length = document_loading.target_length(session, model)
    yield context | _restored_methods(shell.methods, model, asked.get("methods"), session.fitted_length)


def _restored_methods(controls: MethodControls, model: Model, line: str | None, length: int) -> dict[Any, Any]:
    try:
        methods = side_by_side.read(model, line or ";".join(FIRST_METHODS), length)
    except LongSightError as error:
        gr.Warning(html.escape(f"The address asks for methods that cannot be shown. {error}"), title="Address")
        methods = side_by_side.read(model, ";".join(FIRST_METHODS), length)
    return controls.show(model, methods, length)


def _or_first(asked: str | None, offered: list[str]) -> str:
    if asked is None or asked in offered:
        return asked or offered[0]
    gr.Warning(
        html.escape(f"The address asks for {asked!r}, which is not here; {offered[0]} is shown."),
        title="Address",
    )
    return offered[0]


def close_page(request: gr.Request) -> None:
    """The visitor has gone: their work ends and their memory is freed at once."""
    sessions.leave(request.session_hash or "")


@for_visitor
def change_model(name: str, session: Session) -> Generator[list[Any], None, None]:
    """Another model reads the same document, with tokens of its own."""
    session.free()
    meanwhile = [gr.skip()] * PARTS
    if not model_catalogue.is_loaded(name):
        yield [f"<span>loading <b>{html.escape(name)}</b> …</span>", *meanwhile]
    model = model_catalogue.model(name)
    for _ in document_loading.tokens_steps(session, model):
        yield [status_line(model), *meanwhile]
    card, remove, _, length = shown(session, model)
    yield [status_line(model), card, remove, gr.skip(), length]


def status_line(model: Model) -> str:
    """Where the model runs and what it was trained on."""
    return (
        f"<span>device <b>{html.escape(devices.name(model.device))}</b></span>"
        f"<span>trained length <b>{model.train_length:,}</b></span>"
    )
