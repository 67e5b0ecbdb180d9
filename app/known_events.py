"""Whoever asks for the answer to a call that is not there is told so.

Gradio finds that out when it has begun to answer, and what it raises then stands in the log as a fault of the server.
"""

import re

from fastapi.responses import PlainTextResponse, StreamingResponse
from gradio.queueing import Queue
from gradio.server_messages import UnexpectedErrorMessage
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

ANSWER = re.compile(r"/gradio_api/call/(?:v2/)?[^/]+/([^/]+)$")
MESSAGES = "/gradio_api/queue/data"
NO_CALL = "There is no call of this name that waits for its answer; make the call by POST, which names it."


class KnownEvents:
    """Lets only those through who ask for answers of calls and pages that the server knows."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] == "GET":
            queue: Queue = scope["app"].get_blocks()._queue
            asked = ANSWER.search(scope["path"])
            if asked and not _waits(queue, asked[1]):
                await PlainTextResponse(NO_CALL, 404)(scope, receive, send)
                return
            page = Request(scope).query_params.get("session_hash") if scope["path"].endswith(MESSAGES) else None
            if page is not None and page not in queue.pending_messages_per_session:
                await _forgotten()(scope, receive, send)
                return
        await self.app(scope, receive, send)


def _waits(queue: Queue, event: str) -> bool:
    """Whether the answer to a call is still to come or to be fetched; without a session a call is one by itself."""
    pages = queue.pending_event_ids_session.values()
    return (
        event in queue.event_ids_to_events
        or event in queue.pending_messages_per_session
        or any(event in events for events in list(pages))
    )


def _forgotten() -> StreamingResponse:
    """What Gradio's page expects to hear of a server that does not know it, as after a restart."""
    message = UnexpectedErrorMessage(message="404: Not Found", session_not_found=True)
    return StreamingResponse(iter([f"data: {message.model_dump_json()}\n\n"]), media_type="text/event-stream")
