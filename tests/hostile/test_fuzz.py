"""Every callback of the page, with values that no page would send: a sentence, or an answer, and no traceback.

LONGSIGHT_FUZZ=10000 pytest tests/hostile/test_fuzz.py also sends that many requests to a page in a process of its own.
"""

import os
import time

import gradio as gr
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.page import build_page
from app.session import housekeeping
from benchmarks.load import server
from tests.hostile.conftest import HostileClient

MANY = int(os.environ.get("LONGSIGHT_FUZZ", "0"))
AFTERWARDS = housekeeping.IDLE + 60  # seconds after which a client without a page has lost what it had
FILE = {"path": "/etc/passwd", "meta": {"_type": "gradio.FileData"}}
ODD = (
    *(None, True, 0, -1, 2, 0.5, 1e308, -1e308, 10**30, 10**400, 2**31, 2**63, 131_072),
    *("", " ", "0", "-1", "1,2", "1e400", "nan", "0:1:2:3", "٣", "\0", "<b>x</b>", "é" * 50, "1" * 5000, "50," * 500),
    *("[" * 100_000, "vanilla", "self-extend:group=0", "self-extend:group=" + "9" * 400, "window;" * 5, "nope"),
    *([], {}, [1, 2], [[[]]], {"a": 1}, FILE, {"text": FILE, "files": [FILE]}, {"text": "", "files": []}),
)
EVENTS = (
    *(None, {}, [], "x", {"x": 10**400, "y": 0}, {"x": -1, "y": "a"}, {"x": 0, "y": 0}, {"position": "x"}),
    *({"position": 1e308}, {"position": -5}, {"layer": 10**30, "head": 1}, {"layer": 0, "head": 0}),
    *({"queries": 5, "keys": {}}, {"queries": [None, 1], "keys": [1, 2]}, {"queries": [1]}),
)


def requests(demo):
    """A callback, and for each of its inputs what the page holds when it opens, or anything."""
    callbacks = [(index, fn.inputs) for index, fn in demo.fns.items() if fn.fn is not None]

    def values(callback):
        index, inputs = callback
        usual = [None if isinstance(part, gr.State) or callable(part.value) else part.value for part in inputs]
        return st.tuples(
            st.just(index), st.tuples(*(st.sampled_from([value] * 20 + list(ODD)) for value in usual)),
            st.sampled_from(EVENTS),
        )  # fmt: skip

    return st.sampled_from(callbacks).flatmap(values)


def ask(client, times, check):
    """So many requests; `check` looks at the last message of each."""

    @settings(
        max_examples=times, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
    )
    @given(requests(client.demo))
    def holds(request):
        index, values, event = request
        last = client.call(index, list(values), event, patience=2.0)[-1]
        assert last["msg"] != "unexpected_error"
        assert last.get("success", True) or last["output"]["error"], last
        check()

    holds()


def test_whatever_is_asked_gets_an_answer_or_a_sentence(client, capfd):
    def no_traceback():
        assert "Traceback" not in capfd.readouterr().err

    ask(client, 80, no_traceback)


@pytest.mark.skipif(MANY == 0, reason="LONGSIGHT_FUZZ=10000 says how many")
def test_very_many_requests_leave_no_traceback_and_take_no_memory(tmp_path):
    """The page in a process of its own, as it is started; when all of that is let go it holds what it held."""
    log = tmp_path / "log"
    with server(log) as (address, process):
        client = HostileClient(build_page(), address)
        held = []
        for times in (100, MANY):  # after the first, all is loaded that ever is
            ask(client, times, lambda: None)
            time.sleep(AFTERWARDS)
            held.append(process.memory_info().rss)
            print(f"{held[-1] / 1e6:,.0f} MB after {times:,} requests")
        client.http.close()
    assert "Traceback" not in log.read_text(encoding="utf-8")
    assert held[1] <= 1.1 * held[0]
