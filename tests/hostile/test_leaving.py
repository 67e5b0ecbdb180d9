"""A client that asks for much and is gone, without a word and without a page: the device is free again at once."""

import asyncio
import time
import uuid

import torch
from mcp import ClientSession
from mcp.client.streamable_http import streamable_http_client

from app.session.device_sharing import line_of
from tests.event_loops import run_apart

PATIENCE = 60.0  # seconds, on the most crowded machine
LONG = "The grass is green. The sky is blue. " * 40_000


def assert_free_soon(line):
    until = time.monotonic() + PATIENCE
    while line.busy:
        assert time.monotonic() < until, "the device is still held for a client that is gone"
        time.sleep(0.1)


def test_work_for_a_client_that_left_ends(client, tmp_path):
    text = tmp_path / "long.txt"
    text.write_text(LONG, encoding="utf-8")
    with text.open("rb") as file:
        [path] = client.http.post("/gradio_api/upload", files={"files": file}).json()
    session = uuid.uuid4().hex
    given = {"path": path, "orig_name": text.name, "meta": {"_type": "gradio.FileData"}}
    taken = client.call(client.named("document"), [given, "", "", "rope-small"], session=session)[-1]
    assert taken["success"], taken

    line, patience, seen = line_of(torch.device("cpu")), 1.0, False
    asked = ["What is it about?", "", "", "", "vanilla", "rope-small", 64, 0, 0]
    while not seen:  # until it leaves in the middle of reading
        client.call(client.named("ask"), asked, patience=patience, session=session)
        seen, patience = line.busy, patience * 2
    assert_free_soon(line)


def test_work_for_an_assistant_that_left_ends(client):
    line, seen = line_of(torch.device("cpu")), []

    async def watch(call):
        while not line.busy and not call.done():
            await asyncio.sleep(0.1)
        seen.append(line.busy)
        call.cancel()

    async def leave_in_the_middle():
        address = f"{client.http.base_url}gradio_api/mcp/"
        async with streamable_http_client(address) as (read, write, _), ClientSession(read, write) as session:
            await session.initialize()
            given = {"question": "What is it about?", "text": LONG, "methods": "vanilla"}
            call = asyncio.ensure_future(session.call_tool("ask", given))
            await asyncio.gather(watch(call), call, return_exceptions=True)

    run_apart(leave_in_the_middle())
    assert seen == [True]
    assert_free_soon(line)
