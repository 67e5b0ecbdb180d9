"""A question's whole way, without a browser: checks, waiting, pictures of the conversation, leaving."""

import pytest

from analysis.runs import make_runs
from app.session import answer_view, document_loading, estimate, questions
from app.session.answers import Answer
from app.session.device_sharing import Waiting, line_of
from app.session.documents import Document, at_once
from app.session.progress_view import DrawingPace
from app.session.sessions import ConversationTurn, Session
from longsight.errors import LongSightError
from longsight.methods import METHODS
from tests.app.conftest import TEXT, others_at

METHOD = METHODS["window"](window=16)
SMALL, LARGE = (METHODS["self-extend"](group=group, window=16) for group in (4, 8))
ALONE = Waiting(0)
[RUN] = make_runs([METHOD])


def question(text="Why?", methods=(METHOD,), longest=4, temperature=0, seed=0):
    return questions.check_question(text, methods, longest, temperature, seed)


class Always(DrawingPace):
    """Nothing stays undrawn."""

    def due(self):
        return True


def give(session, model, document):
    list(document_loading.take_steps(session, model, at_once(lambda: document)))


@pytest.mark.parametrize(
    ("bad", "sentence"),
    [
        ({"text": ""}, "There is no question yet"),
        ({"text": " \n "}, "There is no question yet"),
        ({"text": None}, "There is no question yet"),
        ({"text": "x" * 4001}, r"has 4,001 characters; up to 4,000 are read. Paste a long text as a document"),
        ({"longest": 0}, "The longest answer must be a whole number of tokens from 1 to 1,024, but 0 was given"),
        ({"longest": 10**9}, "1 to 1,024, but 1,000,000,000 was given"),
        ({"longest": None}, "1 to 1,024, but nothing was given"),
        ({"longest": "many"}, "1 to 1,024, but 'many'"),
        ({"longest": 1.5}, "1 to 1,024, but 1.5 was given"),
        ({"temperature": -1}, "temperature must be between 0 and 100, but -1"),
        ({"temperature": None}, "The temperature must be a number, but nothing was given"),
        ({"temperature": float("nan")}, "temperature must be a number, but nan"),
        ({"seed": -3}, "The seed must be a whole number from 0 to 9,223,372,036,854,775,807, but -3"),
        ({"seed": 0.5}, "but 0.5 was given"),
        ({"seed": True}, "seed must be a whole number from 0 to .*, but True"),
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
    assert not line_of(model.device).busy

    [_, turn] = list(questions.ask_steps(session, model, question("And?")))[-1]["turns"]
    assert turn["about"] == ""  # the document is named where it is new
    assert "reused" in turn["cells"][0]["status"]


def test_a_second_visitor_waits_is_told_so_and_can_leave(model, document, monkeypatch):
    monkeypatch.setattr(questions, "TICK", 0)
    session = Session()
    with others_at(model.device):
        steps = questions.ask_steps(session, model, question("Mine?"))
        [cell] = next(steps)["turns"][0]["cells"]
        assert cell["status"] == "waiting"  # at once, whatever else is going on
        [cell] = next(steps)["turns"][0]["cells"]
        assert cell["status"] == "sharing the device with another visitor"
        session.stop.set()
        assert list(steps)[-1]["turns"][0]["cells"][0]["state"] == "stopped"
    assert not line_of(model.device).busy


def test_two_visitors_are_answered_in_turn_and_never_mixed(model, document, monkeypatch):
    monkeypatch.setattr(questions, "TICK", 0)
    monkeypatch.setattr(questions, "DrawingPace", Always)
    one, two = Session(), Session()
    give(one, model, document)
    asked = [questions.ask_steps(one, model, question()), questions.ask_steps(two, model, question("Mine?"))]
    pictures = [[next(steps) for steps in asked] for _ in range(6)]
    alone = [list(questions.ask_steps(Session(), model, question("Mine?")))[-1]["turns"][0]["cells"][0]["text"]]
    assert "grass" not in str([picture[1] for picture in pictures])
    ends = [list(steps)[-1]["turns"][0]["cells"][0] for steps in asked]
    assert [cell["state"] for cell in ends] == ["done", "done"]
    assert ends[1]["text"] == alone[0]
    assert not line_of(model.device).busy


def test_stop_while_the_document_is_made_into_tokens_ends_the_question(model, session):
    session.document = Document("long.txt", TEXT * 20_000, 0)
    steps = questions.ask_steps(session, model, question())
    assert next(steps)["turns"][0]["cells"][0]["state"] == "waiting"
    next(steps)
    session.stop.set()
    assert list(steps)[-1]["turns"][0]["cells"][0]["state"] == "stopped"
    assert session.tokens == {}


def test_what_others_would_wait_too_long_for_is_refused_with_what_would_not(model, session, document, monkeypatch):
    give(session, model, document)
    monkeypatch.setattr(estimate, "MOST_SECONDS", 0.0)
    estimate.speed(model).add(10, 0.0, 1000.0)
    vanilla = METHODS["vanilla"]()
    with others_at(model.device):
        [cell] = list(questions.ask_steps(session, model, question(methods=(vanilla,))))[-1]["turns"][-1]["cells"]
    assert cell["state"] == "failed"
    assert "Vanilla would need about " in cell["error"]
    assert "another visitor is at work here too; meanwhile up to under a second can be asked for" in cell["error"]
    assert cell["error"].endswith("Give a shorter text.")
    [cell] = list(questions.ask_steps(session, model, question(methods=(vanilla,))))[-1]["turns"][-1]["cells"]
    assert cell["state"] == "done", cell["error"]


def test_closing_the_page_in_the_middle_lets_the_next_one_in_and_frees_everything(model, document, monkeypatch):
    monkeypatch.setattr(questions, "TICK", 0)
    session = Session()
    give(session, model, document)
    steps = questions.ask_steps(session, model, question())
    next(steps)
    next(steps)
    assert line_of(model.device).busy
    session.leave()
    steps.close()
    assert not line_of(model.device).busy
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
    assert answer_view.STATUS[cell.state](cell, [cell], ALONE) == ["reading 812k/1.24M", "20k tok/s", "21 s left", ""]
    beside = Answer(RUN, state=Answer.READING, left_seconds=5.0)
    assert answer_view.wall_seconds(cell, [cell, beside]) == pytest.approx(26.4)
    cell = Answer(RUN, state=Answer.STOPPED, done=512, total=1024)
    assert answer_view.STATUS[cell.state](cell, [cell], ALONE) == ["stopped at 512 of 1,024 tokens, memory freed"]
    cell, shared = Answer(RUN, left_seconds=4.0), Waiting(2, 8.0)
    said = "sharing the device with 2 other visitors, whose turns take about 8 s"
    assert answer_view.STATUS[cell.state](cell, [cell], shared) == [said, "read in about 12 s"]


def test_what_all_answers_need_together_is_said_until_one_is_left():
    def left(*states, writing=10.0):
        cells = [Answer(RUN, state=state, left_seconds=80.0, answer_seconds=writing) for state in states]
        return answer_view.turn_view(ConversationTurn("Why?", "", cells, 16))["left"]

    assert left(Answer.WAITING, Answer.READING, Answer.DONE) == "2 answers, together about 3 min"
    assert left(Answer.WRITING, Answer.READING) == "2 answers, together about 1 min 40 s"
    assert left(Answer.READING, Answer.DONE) == left(Answer.DONE, Answer.DONE) == ""
    assert left(Answer.WAITING, Answer.READING, writing=None) == "2 answers, read together in about 2 min 40 s"
    assert left(Answer.WRITING, Answer.WRITING, writing=None) == ""


def test_a_finished_answer_has_a_verdict_and_only_the_first_failure_is_explained():
    vanilla = make_runs([METHODS["vanilla"]()])[0]

    def turn(state):
        cells = [Answer(vanilla, state=state, text="\n" * 50, done=64), Answer(RUN, state=state, text="It is 86409.")]
        return ConversationTurn("What is the pass key?", "", cells, 16, frozenset({"86409"}))

    first, second, third = answer_view.conversation([turn(Answer.DONE), turn(Answer.DONE), turn(Answer.WRITING)])[
        "turns"
    ]
    assert [cell["verdict"] for cell in first["cells"]] == ["noise, key not found", "found the key"]
    assert first["cells"][0]["lesson"].startswith("This is the failure: the model as it is, at 4.0 ×")
    assert second["cells"][0]["verdict"] == "noise, key not found"
    assert not any(cell["lesson"] for cell in (first["cells"][1], *second["cells"]))
    assert [cell["verdict"] for cell in third["cells"]] == ["", ""]


@pytest.mark.parametrize(
    ("text", "expected", "blank"),
    [
        ("One.\n\nTwo.\n\n\nThree.", "One.\n\nTwo.\n\n\nThree.", ""),
        (" One.\n", "One.", ""),
        ("\n" * 24, "", "nothing but 24 empty lines"),
        ("\n" * 13 + " is", "is", "13 empty lines before it"),
        ("\n\nis" + "\n" * 47, "is", "2 empty lines before it, 47 after it"),
        ("One." + "\n" * 4 + "Two.", "One.\n… 3 empty lines …\nTwo.", ""),
    ],
)
def test_an_answer_starts_at_a_word_and_empty_lines_are_counted(text, expected, blank):
    assert (answer_view.shown(text), answer_view.blank(text)) == (expected, blank)
    cell = Answer(RUN, state=Answer.DONE, text=text)
    assert not blank or blank in answer_view.turn_view(ConversationTurn("", "", [cell], 16))["cells"][0]["status"]
