"""Every address of the server, asked for in ways that it is not meant for: a sentence, and no fault in the log."""

import re
from itertools import product

import pytest
from starlette.routing import Mount

from app.front_page import PICTURE
from tests.conftest import ROOT

ENDLESS = ("/heartbeat/", "/startup-events", "/reload", "/mcp")
BODIES = (None, b"\xff", b"[" * 100_000, b'"\\ud800"', b'{"data": 5, "session_hash": [1], "fn_index": "x"}')


def paths(routes, before=""):
    for route in routes:
        if isinstance(route, Mount):
            yield from paths(route.routes, before + route.path)
        elif hasattr(route, "original_router"):
            yield from paths(route.original_router.routes, before)
        else:
            yield before + re.sub(r"{[^}]*}", "x", route.path)


def test_no_way_to_ask_is_a_fault_of_the_server(client, capfd):
    known = sorted(set(paths(client.demo.app.routes)))
    assert {"/gradio_api/call/x/x", "/gradio_api/queue/join", "/config"} <= set(known)
    for path, body in product(known, BODIES):
        if any(part in path for part in ENDLESS):
            continue
        kind = {"content-type": "application/json"} if body and body.startswith(b"[") else {}
        method = "GET" if body is None else "POST"
        with client.http.stream(method, path, content=body, headers=kind) as answer:
            assert answer.status_code < 500, (method, path, body and body[:20])
        assert "Traceback" not in capfd.readouterr().err, (method, path, body and body[:20])


@pytest.mark.parametrize("path", ["call/v2/ask", "call/v2/ask/none", "call/ask/none"])
def test_an_answer_that_nobody_waits_for_is_not_there(client, path):
    answer = client.http.get(f"/gradio_api/{path}", follow_redirects=True)
    assert (answer.status_code, answer.text.partition(";")[0]) == (
        404, "There is no call of this name that waits for its answer",
    )  # fmt: skip


def test_a_page_that_the_server_does_not_know_hears_so(client, capfd):
    said = client.http.get("/gradio_api/queue/data", params={"session_hash": "nobody"}).text
    assert '"session_not_found":true' in said
    assert "Traceback" not in capfd.readouterr().err


def test_the_picture_of_a_link_has_an_address_that_says_nothing_of_the_server(client):
    page = client.http.get("/").text
    address = re.search(r'"og:image" content="([^"]+)"', page)[1]
    assert address == f"{str(client.http.base_url).rstrip('/')}{PICTURE}"
    picture = client.http.get(PICTURE)
    assert (picture.headers["content-type"], picture.content[1:4]) == ("image/png", b"PNG")
    assert str(ROOT) not in re.search(r"<head>.*?<script", page, re.DOTALL)[0]
