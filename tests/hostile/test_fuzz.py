"""Every callback of the page, with values that no page would send: a sentence, or an answer, and no traceback.

LONGSIGHT_FUZZ=10000 pytest tests/hostile/test_fuzz.py tries that many requests instead of a few.
"""

import os

import gradio as gr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

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


def test_whatever_is_asked_gets_an_answer_or_a_sentence(client, capfd):
    @settings(
        max_examples=int(os.environ.get("LONGSIGHT_FUZZ", "80")), deadline=None, derandomize=True, database=None,
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(requests(client.demo))
    def holds(request):
        index, values, event = request
        last = client.call(index, list(values), event, patience=2.0)[-1]
        assert last["msg"] != "unexpected_error"
        assert last.get("success", True) or last["output"]["error"], last
        assert "Traceback" not in capfd.readouterr().err

    holds()
