"""The chat's panel: what a question will cost, and what stands there before the first one."""

import gradio as gr
import pytest

from app.panels.chat import build_chat_panel
from app.panels.chat_costs import costs_view
from app.session import document_loading
from app.session.documents import at_once
from app.session.estimate import Speed
from longsight.errors import LongSightError
from longsight.methods import METHODS
from longsight.progress import finish


@pytest.fixture
def panel(shared, model):
    return build_chat_panel(shared)


def test_parameters_that_cannot_be_are_said_where_the_costs_stand_and_stop_no_page(panel, session):
    [updates] = panel.show_costs("tiny", session, "vanilla;window:window=0")
    assert "<em>Window: window must be between 1 and" in updates[panel.costs]


def test_nothing_costs_anything_while_the_page_opens(panel, session):
    assert list(panel.show_costs("tiny", session, "")) == [{panel.costs: ""}]


def test_a_question_is_answered_with_each_method_of_the_draft(panel, session):
    asked = [{"text": "Why?"}, "tiny", session, 2, 0, 0, "window:window=7;window:window=8"]
    *_, last = panel.send(*asked)
    [turn] = last[panel.conversation]["turns"]
    assert [cell["title"] for cell in turn["cells"]] == ["Window window=7", "Window window=8"]
    assert last[panel.shared.session] is session


def test_a_question_waits_for_the_text_that_is_still_in_its_box(panel, session):
    with pytest.raises(LongSightError, match="still coming in; send the question again"):
        next(panel.send({"text": "Why?", "files": ["pasted.txt"]}, "tiny", session, 2, 0, 0, "vanilla"))


def test_each_run_is_told_what_it_will_cost_under_its_own_label(model, session, document):
    methods = [METHODS["self-extend"](group=group, window=16) for group in (4, 8)]
    assert costs_view(session, model, methods) == ""  # there is nothing to read
    finish(document_loading.take_steps(session, model, at_once(lambda: document)))
    costs = costs_view(session, model, methods)
    assert [f"<b>SelfExtend G={group}</b> cache " in costs for group in (4, 8)] == [True, True]
    assert session.speakers == {}


def test_all_methods_have_one_total(model, session, document, monkeypatch):
    methods = [METHODS["self-extend"](group=group, window=16) for group in (4, 8)]
    finish(document_loading.take_steps(session, model, at_once(lambda: document)))
    assert "together" not in costs_view(session, model, methods)  # the machine was not measured
    monkeypatch.setattr(Speed, "seconds", lambda self, tokens, pairs: 119.6)
    assert "Next question, together <b>about 3 min 59 s</b>" in costs_view(session, model, methods)
    assert "together" not in costs_view(session, model, methods[:1])


def test_another_model_brings_its_own_example_or_none_and_leaves_the_visitors_conversation(panel, session):
    shown = panel.change_model("rope-small", session)[panel.conversation]
    assert "recorded with rope-small" in shown["note"]
    assert shown["asked"] == 0  # the box is emptied when the count rises, so it must begin at nothing
    assert panel.change_model("tiny", session)[panel.conversation]["turns"] == []
    *_, last = panel.send({"text": "Why?"}, "tiny", session, 2, 0, 0, "vanilla")
    assert len(last[panel.conversation]["turns"]) == 1
    assert panel.change_model("rope-small", session) == gr.skip()
