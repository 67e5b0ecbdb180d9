"""The page's first answer: what a link to it shows, and what stands there before Gradio has come."""

import json
import re
import shutil
import struct

import gradio as gr
import pytest
from fastapi import FastAPI
from starlette.middleware import Middleware
from starlette.testclient import TestClient

from app import opening, page, serving
from app.front_page import FrontPage
from app.panels.chat import conversation_of
from app.panels.chat_costs import costs_view
from app.session import model_catalogue, side_by_side
from app.session.sessions import Session
from tests.app.conftest import save_model
from tests.app.test_page import callback

CRAWLED = {"host": "space.example", "x-forwarded-proto": "https"}


@pytest.fixture
def client(model):
    options = serving.launch_options()
    demo = page.build_page()
    site = FastAPI(middleware=[Middleware(FrontPage)])
    looks = {name: options[name] for name in ("theme", "css_paths", "head")}
    return TestClient(gr.mount_gradio_app(site, demo, "", **looks))


def test_a_link_to_the_page_shows_its_name_a_sentence_and_a_picture(client):
    text = client.get("/?tab=maps", headers=CRAWLED).text
    tags = re.findall(r'<meta\s+(?:property|name)="((?:og|twitter):[^"]+)"\s+content="([^"]*)"', text)
    told = dict(tags)
    assert len(told) == len(tags) == len(re.findall('"(?:og|twitter):', text))
    assert told["og:title"] == "LongSight"
    assert told["og:description"].startswith("Why language models lose the thread")
    assert told["og:url"] == "https://space.example/"
    assert told["twitter:card"] == "summary_large_image"
    assert text.index("og:image") < 10_000  # crawlers read the beginning
    picture = client.get(told["og:image"].removeprefix("https://space.example"))
    assert picture.headers["content-type"] == "image/png"
    assert len(picture.content) < 300_000
    size = (int(told["og:image:width"]), int(told["og:image:height"]))
    assert struct.unpack(">II", picture.content[16:24]) == size == (1200, 630)


@pytest.mark.parametrize(
    ("query", "first"), [("", True), ("?__theme=dark", True), ("?tab=maps", False), ("?text=none", False)]
)
def test_a_first_look_stands_before_gradio_where_the_address_asks_for_nothing(client, query, first):
    assert ("look.id = 'first-look'" in client.get(f"/{query}").text) == first


def test_what_is_told_at_first_is_what_the_page_tells_later(model, session, client):
    demo = page.build_page()
    serving.watch_sessions(demo)
    request = gr.Request(session_hash="s1")
    request.query_params = {}
    told = {part.elem_id: said for part, said in callback(demo, "Page.open")("", request).items()}
    own = next(said for said in told.values() if isinstance(said, type(session)))
    for updates in callback(demo, "Page.fill")("tiny", own, request):
        told |= {part.elem_id: said for part, said in updates.items()}
    known = opening.first_values()
    assert known["status"] == told["status"]
    assert known["document"] == told["document"]
    methods = side_by_side.read(model, told["method-line"], own.fitted_length)
    assert known["costs"] == costs_view(own, model, methods)
    assert all(json.dumps(value)[1:-1].replace("<", "\\u003c") in client.get("/").text for value in known.values())


def test_what_a_link_to_another_model_shows_at_once_is_of_that_model(client, models_folder):
    save_model(models_folder / "tiny-2")
    try:
        told = client.get("/?model=tiny-2&tab=maps").text
        known = json.loads(re.search("const known = (.*);\n", told)[1])
        assert known["model"] == "tiny-2"
        assert known["conversation"] == conversation_of(Session(), "tiny-2")
        assert known.keys() == {"model", "conversation", "board", "odometer-board", "part"}
        assert "look.id = 'first-look'" not in told
        assert "const known" not in client.get("/?model=tiny&tab=maps").text
        assert "const known" not in client.get("/?model=nobody").text
    finally:
        shutil.rmtree(models_folder / "tiny-2")
    assert opening.values_of("alibi-small")["conversation"]["note"].startswith(
        "A finished example, recorded with alibi"
    )
    assert opening.values_of("SmolLM2-135M")["board"] != opening.values_of("alibi-small")["board"]


def test_no_first_answer_waits_for_a_model(model, monkeypatch):
    monkeypatch.setattr(model_catalogue, "_loaded", {})
    assert opening.first_values() == {}
