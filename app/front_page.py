"""The page's first answer: what a link to it shows elsewhere, and what can be read before Gradio has come.

Gradio's page is empty until some hundred files have arrived. All that a visitor reads first stands in its config, so a
script draws that at once, and gives way when Gradio has drawn it, too.
"""

import html
import json
import re
from collections.abc import Mapping
from importlib.resources import files
from typing import Any
from urllib.parse import parse_qsl

from fastapi import Request
from fastapi.responses import FileResponse
from gradio.route_utils import get_root_url
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.assets import SHARED_PICTURE, STYLES
from app.components import theme
from app.components.conversation import DRAW
from app.opening import first_values, values_of
from app.session import model_catalogue

TITLE = "LongSight"
PICTURE = "/share.png"
"""Where the picture stands that a link to the page shows elsewhere."""
SENTENCE = "Why language models lose the thread past their trained length, and what mends it"
PREVIEW = re.compile(r'\s*<meta\s+(?:property|name)="(?:og|twitter):[^>]*>')
"""Gradio's own, which name Gradio and its picture."""
KNOWN = """const part = (id) => window.gradio_config.components.find(({props}) => props.elem_id === id);
for (const [id, value] of Object.entries(known)) part(id).props.value = value;
"""
LOOK = (files("app.components") / "first_look.js").read_text(encoding="utf-8")


class FrontPage:
    """Changes the page on its way to the browser, and has the picture of a link to it."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] == PICTURE and scope["method"] in ("GET", "HEAD"):
            await FileResponse(SHARED_PICTURE)(scope, receive, send)
            return
        if scope["type"] != "http" or scope["path"] != "/" or scope["method"] != "GET":
            await self.app(scope, receive, send)
            return
        start: Message = {}
        body = b""

        async def change(message: Message) -> None:
            nonlocal start, body
            if message["type"] == "http.response.start" and message["status"] == 200:
                start = message  # its length is known when all has come
            elif message["type"] == "http.response.body" and start:
                body += message.get("body", b"")
                if not message.get("more_body"):
                    body = (await run_in_threadpool(changed, body.decode(), Request(scope))).encode()
                    MutableHeaders(scope=start)["content-length"] = str(len(body))
                    await send(start)
                    await send({"type": "http.response.body", "body": body})
            else:
                await send(message)

        await self.app(scope, receive, change)


def changed(page: str, request: Request) -> str:
    """Gradio's page with our own preview, a first look where the address asks for nothing, and what belongs to the
    model that it asks for."""
    root = get_root_url(request, "/", request.scope.get("root_path"))
    at = page.find("<script")  # all of Gradio's tags stand before its first one
    page = PREVIEW.sub("", page[:at]) + preview(root) + page[at:]
    asked = dict(parse_qsl(request.url.query, keep_blank_values=True))
    if asked.get("model") in model_catalogue.names()[1:]:
        before = script(values_of(asked["model"]))
    else:
        before = "" if any(not name.startswith("__") for name in asked) else first_look(page, first_values())
    return page.replace("<gradio-app", f"{before}<gradio-app", 1)


def preview(root: str) -> str:
    """The tags by which a link to the page is shown elsewhere; addresses in full, as crawlers ask."""
    tags = {
        "og:type": "website", "og:url": f"{root}/", "og:title": TITLE, "og:description": SENTENCE,
        "og:image": f"{root}{PICTURE}", "og:image:width": "1200", "og:image:height": "630",
        "og:image:alt": "Two answers side by side to one question about a long text",
    }  # fmt: skip
    card = '<meta name="twitter:card" content="summary_large_image" />'
    return "".join(f'<meta property="{name}" content="{html.escape(text)}" />' for name, text in tags.items()) + card


def first_look(page: str, values: Mapping[str, str]) -> str:
    """What is drawn before Gradio has come, with `values` for components by their id."""
    themed = re.search(r'"theme_hash":"(\w+)"', page)
    sheets = [f"theme.css?v={themed[1]}" if themed else "theme.css", f"gradio_api/file={STYLES / 'longsight.css'}"]
    links = "".join(f'<link rel="stylesheet" href="{sheet}" />' for sheet in sheets)
    return f"{theme.head()}{links}{script(values, DRAWN + LOOK)}"


def script(values: Mapping[str, Any], more: str = "") -> str:
    """Puts `values` into Gradio's config, for components by their id, and does `more`."""
    known = json.dumps(dict(values)).replace("<", "\\u003c")
    return f"<script>(() => {{\nconst known = {known};\n{KNOWN}{more}}})();</script>"


DRAWN = f"function drawConversation(element, props, watch, trigger) {{\n{DRAW}}}\n"
