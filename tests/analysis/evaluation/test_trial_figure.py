"""A trial drawn: attention by layer and head, and the prompt with its key marked and what is not seen pale."""

import json
import re

import numpy as np
import pytest

from analysis.evaluation.tasks.passkey import Passkey
from analysis.evaluation.tracing import trace_steps
from analysis.evaluation.trial_figure import AROUND, marked_prompt, trial_figure
from longsight.methods import METHODS
from longsight.progress import finish


def traced(model, method, depth=1):
    task = Passkey(depths=3)
    return finish(trace_steps(model, method, task, task.cases(model, 700, 1, 0)[depth]))


def spans(record):
    found = re.findall(r'<span style="([^"]*)" title="position ([\d,]+)">', marked_prompt(record))
    return {int(place.replace(",", "")): style for style, place in found}


def test_the_figure_shows_the_answering_step(model):
    record = traced(model, METHODS["lm-infinite"](window=32, top_k=3, from_layer=1))
    figure = trial_figure(record)
    np.testing.assert_array_equal(np.array(figure.data[0].z), record.attention[record.answering])
    np.testing.assert_array_equal(np.array(figure.data[0].customdata), record.fetched[record.answering])
    json.loads(figure.to_json())


def test_the_prompt_shows_beginning_key_and_end_and_says_what_it_leaves_out(model):
    record = traced(model, METHODS["vanilla"]())
    shown = spans(record)
    key = np.flatnonzero(record.statement)
    assert {0, AROUND - 1, key[0] - AROUND, key[-1] + AROUND, record.n - 1} <= set(shown)
    left = [int(n.replace(",", "")) for n in re.findall(r"… ([\d,]+) tokens …", marked_prompt(record))]
    assert sum(left) + len(shown) == record.n
    marked = {place for place, style in shown.items() if "background" in style}
    assert marked == set(key.tolist())
    strong = {place for place, style in shown.items() if "0.7)" in style}
    assert strong == set(np.flatnonzero(record.key).tolist())


@pytest.mark.parametrize(("method", "style"), [
    (METHODS["window"](window=40), "opacity:0.45;"),
    (METHODS["truncation"](length=40), "opacity:0.45;text-decoration:line-through;"),
    (METHODS["vanilla"](), ""),
])  # fmt: skip
def test_what_is_not_seen_is_pale_and_what_is_not_read_is_struck_out(model, method, style):
    shown = spans(traced(model, method))
    assert shown[5] == style
    assert shown[max(shown)] == ""


def test_text_is_escaped(model):
    task = Passkey(depths=1)
    (case,) = task.cases(model, 700, 1, 0, text="<script>alert(1)</script> & so on. " * 60)
    record = finish(trace_steps(model, METHODS["vanilla"](), task, case))
    assert "<script" not in marked_prompt(record)
    assert "&lt;" in marked_prompt(record)
