"""The chat's panel: what a question will cost, and what stands there before the first one."""

from dataclasses import replace

import gradio as gr
import pytest

from app.panels import chat
from app.panels.chat import build_chat_panel
from app.panels.chat_costs import costs_view
from app.session import document_loading, formatting, model_catalogue
from app.session.documents import at_once
from app.session.estimate import Speed
from app.session.samples import sample
from app.session.sessions import Session
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
    assert list(panel.show_costs("tiny", session, "")) == [gr.skip()]


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


def test_the_cache_that_is_told_holds_question_and_answer_too_and_what_writing_takes(model, session, document):
    finish(document_loading.take_steps(session, model, at_once(lambda: document)))
    method = METHODS["vanilla"]()
    whole = document_loading.target_length(session, model)
    held, writing = (formatting.size(model.cache_bytes(method, whole, writing=each)) for each in (False, True))
    assert f"cache {held}, {writing} while it writes" in costs_view(session, model, [method])
    assert held != formatting.size(model.cache_bytes(method, document_loading.token_count(session, model)))


def test_all_methods_have_one_total(model, session, document, monkeypatch):
    methods = [METHODS["self-extend"](group=group, window=16) for group in (4, 8)]
    finish(document_loading.take_steps(session, model, at_once(lambda: document)))
    assert "together" not in costs_view(session, model, methods)  # the machine was not measured
    monkeypatch.setattr(Speed, "seconds", lambda self, tokens, pairs: 119.6)
    assert "Next question, together <b>about 3 min 59 s</b>" in costs_view(session, model, methods)
    assert "together" not in costs_view(session, model, methods[:1])


@pytest.fixture
def recorded(model, monkeypatch):
    """The tiny model under the names of two that have a recording, as the only ones."""
    for module in (model_catalogue, chat.model_catalogue):
        monkeypatch.setattr(module, "model", lambda name: replace(model, name=name))


def buttons(panel, updates):
    told = [updates[button].constructor_args for button in panel.suggestions]
    return [one["value"] for one in told if one["visible"]]


def test_another_model_brings_its_own_example_or_none_and_leaves_the_visitors_conversation(panel, session, recorded):
    shown = panel.show("rope-small", session)[panel.conversation]
    assert "recorded with rope-small" in shown["note"]
    assert shown["asked"] == 0  # the box is emptied when the count rises, so it must begin at nothing
    assert "recorded with alibi-small" in panel.show("alibi-small", session)[panel.conversation]["note"]
    assert panel.show("tiny", session)[panel.conversation]["turns"] == []
    *_, last = panel.send({"text": "Why?"}, "tiny", session, 2, 0, 0, "vanilla")
    assert panel.show("rope-small", session)[panel.conversation] == last[panel.conversation]


def test_the_recorded_example_is_over_with_the_first_text_of_ones_own_and_with_a_new_conversation(
    panel, session, document, recorded
):
    session.take(sample("hound").document())
    assert panel.show("rope-small", session)[panel.conversation]["note"]
    session.take(document)
    session.take(None)
    assert panel.show("rope-small", session)[panel.conversation]["turns"] == []
    again = Session()
    assert panel.restart("rope-small", again)[panel.conversation]["turns"] == []
    assert panel.show("alibi-small", again)[panel.conversation]["turns"] == []


def test_what_may_be_asked_stands_there_in_an_empty_conversation_too(panel, session, document, recorded):
    assert buttons(panel, panel.show("tiny", session)) == []
    session.take(document)
    assert buttons(panel, panel.show("tiny", session)) == ["Go on."]
    session.take(sample("hound").document())
    assert buttons(panel, panel.restart("tiny", session)) == ["What is the pass key?", "Go on."]


def test_while_an_answer_is_written_only_the_answer_draws_the_conversation(panel, session):
    work = panel.send({"text": "Why?"}, "tiny", session, 2, 0, 0, "vanilla")
    next(work)
    assert panel.conversation not in panel.show("tiny", session)
    work.close()
    assert panel.conversation in panel.show("tiny", session)


def test_whoever_has_not_seen_the_turns_above_says_so_before_and_beside_the_answer(panel, session, recorded):
    def ask(model_name, line):
        *_, last = panel.send({"text": "Why?"}, model_name, session, 2, 0, 0, line)
        return last[panel.conversation]["turns"]

    def costs(model_name, *keys):
        model = model_catalogue.model(model_name)
        return costs_view(session, model, [model.method(key, 32) for key in keys])

    [turn] = ask("tiny", "vanilla")
    assert (turn["by"], turn["cells"][0]["unseen"]) == ("", "")
    assert costs("tiny", "vanilla") == ""
    assert "other has not seen the turn above" in costs("other", "vanilla")
    turns = ask("other", "vanilla")
    assert [turn["by"] for turn in turns] == ["Answered by tiny", "Answered by other"]
    assert [turn["cells"][0]["unseen"] for turn in turns] == ["", "Has not seen the turn above"]
    said = [cell["unseen"] for cell in ask("tiny", "vanilla;window")[2]["cells"]]
    assert said == ["Has not seen 1 of the 2 turns above", "Has not seen the 2 turns above"]
    said = "Vanilla has not seen 1 of the 3 turns above; Window has not seen 2 of the 3 turns above"
    assert said in costs("tiny", "vanilla", "window")
