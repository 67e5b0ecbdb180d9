"""How the page is served: what `launch` is given, where uploads arrive, and what a refused one is answered."""

import asyncio
import contextlib
import errno
import gc
import logging
import os
import signal
import sys
from collections.abc import AsyncIterator
from typing import Any

import gradio as gr
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, PlainTextResponse
from gradio.queueing import Queue
from gradio.routes import App
from starlette.datastructures import MutableHeaders
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.components import accessible_names, file_limit, keyboard, messages, permalink, theme
from app.components.session_states import SessionStates
from app.front_page import FrontPage
from app.known_events import KnownEvents
from app.panels import method_controls
from app.session import device_sharing, housekeeping, uploads, visits
from app.session.device_sharing import MOST_AT_ONCE
from app.session.documents import MOST_BYTES
from app.session.housekeeping import Idle
from app.session.sessions import Session
from app.tool_calls import ToolCalls

LOG = logging.getLogger(__name__)
LOOPBACK = ("127.0.0.1", "localhost", "::1")
HEADERS = {
    "Content-Security-Policy": "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; "
    "style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; font-src 'self' data:; "
    "connect-src 'self' data: blob:; worker-src 'self' blob:; object-src 'none'; base-uri 'self'; form-action 'self'; "
    "frame-ancestors 'self' https://huggingface.co https://*.hf.space",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
}
"""Nothing from another host. Gradio makes functions of texts and styles of attributes; a Space stands in a frame."""

MOST_THREADS = MOST_AT_ONCE + 50
"""Whoever is at a device or waits there has a thread; there are always some for what takes no time."""

CALLS = "/call/v2/"
"""In the path of a call whose parameters are named."""

TIDYING = 5.0  # seconds between two looks at what is not needed any more


SWITCHING = 0.0005
"""Seconds after which a thread that wants Python's lock is given it. A model's step takes and leaves the lock hundreds
of times: at Python's own 5 ms it would crawl beside the threads that tell visitors how far it is."""


def launch_options() -> dict[str, Any]:
    """Everything for `demo.launch`: nothing of what was asked kept in the visitor's browser, little kept on the server,
    and the looks, which Gradio 6 takes here."""
    theme.serve_files()
    sys.setswitchinterval(SWITCHING)
    scripts = [messages.SCRIPT, permalink.SCRIPT, visits.SCRIPT, method_controls.script(), theme.SCRIPT]
    scripts += [accessible_names.SCRIPT, keyboard.SCRIPT, file_limit.script(MOST_BYTES)]
    return {
        "ssr_mode": False,
        "run_history": False,
        "state_session_capacity": 300,
        "max_threads": MOST_THREADS,
        "max_file_size": MOST_BYTES,
        "footer_links": ["api"],
        "mcp_server": True,
        "app_kwargs": {
            "lifespan": keep_house,
            "exception_handlers": {
                OSError: tell_of_disk,
                TypeError: tell_of_request,
                KeyError: tell_of_name,
                RequestValidationError: tell_of_form,
            },
            "middleware": middleware(os.environ.get("GRADIO_SERVER_NAME", LOOPBACK[0])),
        },
        "theme": theme.theme(),
        "css_paths": [theme.STYLES / "longsight.css"],
        "head": f"{theme.head()}<script>{''.join(scripts)}</script>",
    }


def serve(demo: gr.Blocks) -> None:
    """Launch the page and stay until the process is told to end (SIGINT, SIGTERM); then end all work, and the process.

    It ends without taking Python apart: Gradio's threads are still there then, and one inside torch would abort it.
    """
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # what ends the server then is a KeyboardInterrupt too
    housekeeping.set_heaps()
    gc.collect()
    gc.freeze()  # libraries and page stay: a million objects that no later collection has to look through
    demo.launch(**launch_options())
    device_sharing.close_lines()
    uploads.folder().close()
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


def middleware(bound_to: str) -> list[Middleware]:
    """What every request goes through. Answers are compressed, but for those that come event by event.

    A server of this machine alone answers only to this machine's names: else a page elsewhere could have its own name
    lead here (DNS rebinding) and read along.
    """
    hosts = [Middleware(TrustedHostMiddleware, allowed_hosts=[*LOOPBACK, *_named_hosts()])]
    compress = Middleware(GZipMiddleware, compresslevel=6)
    ours = [Middleware(AnswerHeaders), compress, Middleware(ToolCalls), Middleware(FrontPage), Middleware(KnownEvents)]
    return [*ours, *(hosts if bound_to in LOOPBACK else [])]


def _named_hosts() -> list[str]:
    """LONGSIGHT_HOSTS: names by which a proxy in front of a loopback server is called, with commas."""
    return [name.strip() for name in os.environ.get("LONGSIGHT_HOSTS", "").split(",") if name.strip()]


class AnswerHeaders:
    """Puts `HEADERS` on every answer."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        await self.app(scope, receive, send_with_headers)


def claim_upload_folder() -> None:
    """Let Gradio put uploads and downloads where this process sweeps. Before any component is made."""
    os.environ["GRADIO_TEMP_DIR"] = str(uploads.folder().path)


def count_no_events() -> None:
    """Keep Gradio from drawing up statistics of the last 10,000 events whenever one ends: nobody sees them here, and
    the tables took 70 kB for each question that did not come back. Before the page is made."""
    os.environ |= {"GRADIO_ANALYTICS_MAX_EVENTS": "1", "GRADIO_ANALYTICS_CACHE_FREQUENCY": str(sys.maxsize)}


def rest_while_idle(queue: Queue) -> None:
    """Let Gradio look for what is asked a hundred times a second, and not a thousand times: that took a twentieth of a
    core of a server at rest. `gr.Progress`, which nothing here uses, it looks for twice a second."""
    queue.sleep_when_free = 0.01
    queue.progress_update_sleep_when_free = 0.5


@contextlib.asynccontextmanager
async def keep_house(app: FastAPI) -> AsyncIterator[None]:
    """While the server runs, uploads and what nobody needs any more of sessions are cleared away."""
    assert isinstance(app, App)
    app.state_holder = states = watch_sessions(app.get_blocks())

    tidying = asyncio.create_task(tidy_on(states))
    try:
        yield
    finally:
        tidying.cancel()
        for idle in sessions_of(states):
            idle.session.leave()


async def tidy_on(states: SessionStates, pause: float = TIDYING) -> None:
    """Look again and again. A look that fails is told in the log, and is not the last one: without them no memory would
    come back as long as the server runs."""
    used = housekeeping.NOTHING
    while True:
        try:
            await asyncio.to_thread(uploads.folder().sweep)
            used = await asyncio.to_thread(housekeeping.tidy, sessions_of(states), used)
        except Exception:
            LOG.exception("What is not needed any more could not be cleared away; the next look is in %g s.", pause)
        await asyncio.sleep(pause)


def watch_sessions(demo: gr.Blocks) -> SessionStates:
    """Let the page's sessions be kept for what they hold."""
    states = SessionStates(holds=lambda value: isinstance(value, Session) and value.holds)
    states.set_blocks(demo)
    return states


def sessions_of(states: SessionStates) -> list[Idle]:
    """Every session that the server has."""
    return [
        Idle(value, seconds, closed)
        for seconds, closed, values in states.idle() for value in values if isinstance(value, Session)
    ]  # fmt: skip


async def tell_of_disk(request: Request, problem: Exception) -> Response:
    """A sentence for an upload that the disk has no room for; any other problem stays what it is."""
    if not _is_upload(request) or getattr(problem, "errno", None) not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        raise problem
    return PlainTextResponse("The server has no room for this file now; try a shorter text, or later.", 507)


async def tell_of_request(request: Request, problem: Exception) -> Response:
    """A sentence for an upload without a file name, which Gradio takes for a form's field; and for a program's call
    that lacks a parameter, or has one too many."""
    if _is_upload(request):
        return PlainTextResponse("This upload is no file with a name; give the file a name and send it again.", 400)
    if CALLS not in request.url.path:
        raise problem
    return PlainTextResponse(str(problem).partition(" Please click")[0], 400)


async def tell_of_name(request: Request, problem: Exception) -> Response:
    """A sentence for a program's call of what is not there."""
    if CALLS not in request.url.path or not str(problem.args[0]).startswith("/"):
        raise problem
    return PlainTextResponse("There is nothing of this name to call; /gradio_api/info lists what there is.", 404)


async def tell_of_form(request: Request, problem: Exception) -> Response:
    """What is wrong with a request, without what it held: that may be no text, or very long."""
    assert isinstance(problem, RequestValidationError)
    told = [{name: each[name] for name in ("type", "loc", "msg")} for each in problem.errors()]
    return JSONResponse({"detail": told}, 422)


def _is_upload(request: Request) -> bool:
    return request.url.path.rstrip("/").endswith("/upload")
