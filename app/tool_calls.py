"""Calls of tools by MCP, which Gradio carries out with a client of its own on this machine, in one session for all.

So each call is given a session of its own here, under a name that travels with it as a header; that client may upload
nothing, for it would be files of this server; and the work of a call ends when whoever made it leaves.
"""

import uuid
from collections.abc import Mapping

from fastapi.responses import PlainTextResponse
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from app.session.sessions import Session
from longsight.errors import LongSightError

NAME = "x-longsight-call"
ENDPOINTS = ("/gradio_api/mcp", "/gradio_api/mcp/http")
"""Where a request lasts as long as the call that it makes."""

_under_way: dict[str, Session] = {}


def is_tool_call(headers: Mapping[str, str]) -> bool:
    """Whether a request comes from the client by which Gradio carries out calls, or says so."""
    return headers.get("x-gradio-user") == "mcp"


def session_of(headers: Mapping[str, str]) -> Session:
    """The session of the call that a request carries out. Raises `LongSightError` when its caller has left."""
    name = headers.get(NAME)
    if name is None:  # by a way that does not tell when a caller leaves
        return Session()
    if name not in _under_way:
        raise LongSightError("Whoever asked for this has left.")
    return _under_way[name]


class ToolCalls:
    """Names the calls, and lets go of what they hold when they end."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"].rstrip("/") if scope["type"] == "http" else ""
        if path.endswith("/upload") and is_tool_call(Headers(scope=scope)):
            refused = PlainTextResponse("Files cannot be given this way; upload them over HTTP.", 403)
            await refused(scope, receive, send)
        elif path.endswith(ENDPOINTS):
            await self._call(scope, receive, send)
        else:
            await self.app(scope, receive, send)

    async def _call(self, scope: Scope, receive: Receive, send: Send) -> None:
        name = uuid.uuid4().hex
        _under_way[name] = session = Session()
        others = [header for header in scope["headers"] if header[0] != NAME.encode()]
        try:
            await self.app({**scope, "headers": [*others, (NAME.encode(), name.encode())]}, receive, send)
        finally:
            del _under_way[name]
            session.leave()
