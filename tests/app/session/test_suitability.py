"""A method that a model cannot run is told before it is asked for, of the model by its name."""

from dataclasses import replace

import pytest

from analysis.runs import make_runs
from app.assets import MODELS
from app.panels.chat_costs import costs_view
from app.panels.method_controls import UNABLE, choices_for
from app.panels.method_head import head
from app.session import document_loading, questions, side_by_side, suitability
from app.session.answers import Answer
from app.session.documents import at_once
from longsight.methods import METHODS
from longsight.models.model import adopt, load
from longsight.progress import finish
from tests.longsight import tiny
from tests.longsight.matrix.variants import SMALL

FOR_ROPE = [key for key, method in METHODS.items() if method.needs == "rope"]


@pytest.fixture(scope="module")
def alibi():
    """A model that hears positions by ALiBi."""
    return replace(load(MODELS / "alibi-small"), name="my-alibi")


def test_what_a_model_cannot_run_says_so_in_the_list(alibi, model):
    titles = {key: title for title, key in choices_for(alibi)}
    assert FOR_ROPE
    assert [key for key, title in titles.items() if title.endswith(f"{UNABLE}needs RoPE")] == FOR_ROPE
    assert titles["lm-infinite"] == "LM-Infinite"
    assert not any(UNABLE in title for title, _ in choices_for(model))


def test_a_method_that_every_layer_is_deaf_to_is_not_for_this_model():
    model = adopt(tiny.hf("mistral", **{**SMALL, "sliding_window": 8}), name="windowed")
    assert suitability.short_refusal(model, "self-extend") == "not with windowed"
    assert suitability.short_refusal(model, "vanilla") == ""


def test_its_head_gives_the_reason_with_the_models_name_and_promises_nothing(alibi):
    [chosen] = side_by_side.read_each(alibi, "ntk", 900)
    [run] = make_runs([chosen.method])
    said = head(run, chosen, 512, 900)
    assert "NTK-aware changes the frequencies of RoPE, but my-alibi uses ALiBi, not RoPE; choose one that" in said
    assert type(alibi.hf).__name__ not in said
    assert "familiar" not in said
    assert "Fitted" not in said


def test_a_reach_that_is_shorter_than_the_text_is_said_in_colour(model):
    [short, long] = side_by_side.read_each(model, "vanilla;window", 500)
    said = head(make_runs([short.method])[0], short, 32, 500)
    assert '<small class="short">Distances stay familiar up to 32 tokens. This text needs 500.</small>' in said
    assert "short" not in head(make_runs([short.method])[0], short, 32, 32)
    assert "short" not in head(make_runs([long.method])[0], long, 32, 500)


def test_the_costs_say_it_too_and_the_others_answer(alibi, session, document):
    finish(document_loading.take_steps(session, alibi, at_once(lambda: document)))
    methods = [alibi.method(key, 900) for key in ("ntk", "window", "vanilla")]
    ntk, window, vanilla = costs_view(session, alibi, methods).split('class="cost"')[1:]
    assert "<em>cannot be run by my-alibi</em>" in ntk
    assert "familiar" not in window
    assert '<span class="short">distances familiar up to 512</span>' in vanilla
    *_, last = questions.ask_steps(session, alibi, questions.check_question("Why?", methods[:2], 2, 0, 0))
    failed, answered = last["turns"][0]["cells"]
    assert (failed["state"], answered["state"]) == (Answer.FAILED, Answer.DONE)
    assert "but my-alibi uses ALiBi" in failed["error"]
