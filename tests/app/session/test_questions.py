"""A question's whole way, without a browser: checks, waiting, pictures of the conversation, leaving."""

import pytest

from analysis.runs import make_runs
from app.session import answer_view, devices, document_loading, questions
from app.session.answers import Answer
from app.session.sessions import Session
from longsight.errors import LongSightError
from longsight.methods import METHODS

METHOD = METHODS["window"](window=16)
SMALL, LARGE = (METHODS["self-extend"](group=group, window=16) for group in (4, 8))
[RUN] = make_runs([METHOD])


def question(text="Why?", methods=(METHOD,), longest=4, temperature=0, seed=0):
    return questions.check_question(text, methods, longest, temperature, seed)


def give(session, model, document):
    list(document_loading.take_steps(session, model, document))


@pytest.mark.parametrize(
    ("bad", "sentence"),
    [
        ({"text": ""}, "There is no question yet"),
        ({"text": " \n "}, "There is no question yet"),
        ({"text": None}, "There is no question yet"),
        ({"text": "x" * 4001}, r"has 4,001 characters; up to 4,000 are read. Paste a long text as a document"),
        ({"longest": 0}, "1 to 1,024 tokens, but 0 was given"),
        ({"longest": 10**9}, "1 to 1,024 tokens, but 1,000,000,000 was given"),
        ({"longest": None}, "longest answer must be a number, but None"),
        ({"longest": "many"}, "longest answer must be a number, but 'many'"),
        ({"temperature": -1}, "temperature must be between 0 and 100, but -1"),
        ({"temperature": float("nan")}, "temperature must be a number, but nan"),
        ({"seed": -3}, "seed must be from 0"),
        ({"seed": True}, "seed must be a number, but True"),
    ],
)
def test_what_cannot_be_asked_is_refused_before_anything_happens(bad, sentence):
    with pytest.raises(LongSightError, match=sentence):
        question(**bad)


def test_the_conversation_grows_by_the_question_and_ends_with_its_answers(model, session, document):
    give(session, model, document)
    pictures = list(questions.ask_steps(session, model, question("  Why?  ")))
    [turn] = pictures[-1]["turns"]
    assert turn["question"] == "Why?"
    assert turn["about"].startswith("grass.txt · 2.2 kB · ")
    [cell] = turn["cells"]
    assert cell["state"] == "done"
    assert cell["title"] == "Window"
    assert "wrote" in cell["status"]
    assert not devices.turnstile(model.device).busy

    [_, turn] = list(questions.ask_steps(session, model, question("And?")))[-1]["turns"]
    assert turn["about"] == ""  # the document is named where it is new
    assert "reused" in turn["cells"][0]["status"]


def test_a_second_visitor_waits_is_told_so_and_can_leave(model, document, monkeypatch):
    monkeypatch.setattr(questions, "TICK", 0)
    one, two = Session(), Session()
    give(one, model, document)
    first, second = questions.ask_steps(one, model, question()), questions.ask_steps(two, model, question("Mine?"))
    next(first)
    picture = next(second)
    assert picture["turns"][0]["cells"][0]["status"] == "waiting for another visitor"
    assert "grass" not in str(picture)
    two.stop.set()
    assert list(second)[-1]["turns"][0]["cells"][0]["state"] == "stopped"
    assert list(first)[-1]["turns"][0]["cells"][0]["state"] == "done"
    assert not devices.turnstile(model.device).busy


def test_closing_the_page_in_the_middle_lets_the_next_one_in_and_frees_everything(model, document, monkeypatch):
    monkeypatch.setattr(questions, "TICK", 0)
    session = Session()
    give(session, model, document)
    steps = questions.ask_steps(session, model, question())
    next(steps)
    assert devices.turnstile(model.device).busy
    session.leave()
    steps.close()
    assert not devices.turnstile(model.device).busy
    assert [speaker.cache for speaker in session.speakers["tiny"]] == [None]
    assert session.busy.acquire(blocking=False)


def test_one_visit_answers_one_question_at_a_time(model, session, monkeypatch):
    monkeypatch.setattr(questions, "TICK", 0)
    steps = questions.ask_steps(session, model, question())
    next(steps)
    with pytest.raises(LongSightError, match="still being answered"):
        next(questions.ask_steps(session, model, question()))
    steps.close()
    assert list(questions.ask_steps(session, model, question()))


def test_one_method_answers_twice_with_different_parameters_and_each_remembers_its_own(model, session, document):
    give(session, model, document)
    [turn] = list(questions.ask_steps(session, model, question(methods=(SMALL, LARGE))))[-1]["turns"]
    assert [cell["title"] for cell in turn["cells"]] == ["SelfExtend G=4", "SelfExtend G=8"]
    assert len({cell["colour"] for cell in turn["cells"]}) == 2
    small, large = session.speakers["tiny"]
    assert small.cache is not large.cache

    [*_, turn] = list(questions.ask_steps(session, model, question(methods=(LARGE,))))[-1]["turns"]
    assert "reused" in turn["cells"][0]["status"]  # the first was taken away: the second goes on with its own memory
    assert [len(speaker.exchanges) for speaker in (small, large)] == [1, 2]
    assert session.speakers["tiny"] == [small, large]


def test_two_equal_methods_are_two_and_have_a_number(model, session):
    [turn] = list(questions.ask_steps(session, model, question(methods=(METHOD, METHOD))))[-1]["turns"]
    assert [(cell["title"], cell["state"]) for cell in turn["cells"]] == [("Window 1", "done"), ("Window 2", "done")]
    assert [len(speaker.exchanges) for speaker in session.speakers["tiny"]] == [1, 1]


def test_without_a_document_the_question_stands_alone(model, session):
    picture = list(questions.ask_steps(session, model, question()))[-1]
    assert picture["turns"][0]["about"] == ""
    assert picture["turns"][0]["cells"][0]["state"] == "done"


def test_another_document_starts_the_methods_afresh_and_keeps_what_was_said(model, session, document):
    give(session, model, document)
    list(questions.ask_steps(session, model, question()))
    give(session, model, document)
    turns = list(questions.ask_steps(session, model, question()))[-1]["turns"]
    assert len(turns) == 2
    assert "reused" not in turns[1]["cells"][0]["status"]


def test_the_words_of_every_state():
    cell = Answer(RUN, state=Answer.READING, done=812_000, total=1_240_000, read_seconds=40.6, left_seconds=21.4)
    assert answer_view.STATUS[cell.state](cell, [cell]) == "prefill 812k/1.24M · 20k tok/s · 21 s left"
    beside = Answer(RUN, state=Answer.READING, left_seconds=5.0)
    assert answer_view.wall_seconds(cell, [cell, beside]) == pytest.approx(26.4)
    cell = Answer(RUN, state=Answer.STOPPED, done=512, total=1024)
    assert answer_view.STATUS[cell.state](cell, [cell]) == "stopped at 512 of 1,024 tokens, memory freed"
    cell = Answer(RUN, ahead=2)
    assert answer_view.STATUS[cell.state](cell, [cell]) == "waiting for 2 other visitors"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("One.\n\nTwo.\n\n\nThree.", "One.\n\nTwo.\n\n\nThree."),
        ("\n" * 24, "\n[24 line feeds]\n"),
        ("One." + "\n" * 4 + "Two.", "One.\n[4 line feeds]\nTwo."),
    ],
)
def test_empty_lines_are_counted_where_they_are_all_that_would_be_seen(text, expected):
    assert answer_view.shown(text) == expected
