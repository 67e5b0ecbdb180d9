"""A real server, and a client that sends it what no browser would."""

import json
import time
import uuid

import httpx
import pytest
from gradio import networking

from app import serving
from app.page import build_page


class HostileClient:
    """Speaks the protocol of the page, with values of its own."""

    def named(self, api_name):
        """The place of a callback, by the name that scripts call it by, or by its own."""
        known = self.demo.fns.items()
        return next(n for n, fn in known if api_name in (fn.api_name, getattr(fn.fn, "__qualname__", "")))

    def __init__(self, demo, address):
        self.http = httpx.Client(base_url=address, timeout=60)
        self.demo = demo

    def call(self, index, data, event=None, patience=60.0, session=None, address=None):
        """What the server says, as messages, to the end or until the `patience` [s] is over and the client leaves.

        `address`: what follows the question mark of the page's address.
        """
        session, until = session or uuid.uuid4().hex, time.monotonic() + patience
        body = {"fn_index": index, "data": data, "session_hash": session, "event_data": event}
        assert self.http.post("/gradio_api/queue/join", json=body, params=address).status_code == 200
        said = []
        with self.http.stream("GET", "/gradio_api/queue/data", params={"session_hash": session}) as lines:
            for line in lines.iter_lines():
                if line.startswith("data:"):
                    said.append(json.loads(line[5:]))
                    if said[-1]["msg"] in ("process_completed", "unexpected_error") or time.monotonic() > until:
                        break
        return said


def pytest_collection_modifyitems(items):
    for item in items:
        if "hostile" in item.path.parts:  # Gradio's queue asks pandas for what is deprecated
            item.add_marker(pytest.mark.filterwarnings("default::DeprecationWarning"))


@pytest.fixture(scope="package")
def client():
    networking.url_ok = lambda url: True
    demo = build_page()
    _, address, _ = demo.launch(prevent_thread_lock=True, quiet=True, **serving.launch_options())
    hostile = HostileClient(demo, address)
    yield hostile
    hostile.http.close()
    demo.close(verbose=False)
