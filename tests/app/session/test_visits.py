"""A page that is loaded again goes on where it was, and nobody else's does."""

import re

import pytest

from app.session import questions, visits
from app.session.measurement_request import Measurement
from app.session.sessions import KEPT, Session
from app.session.visits import session_for
from longsight.methods import METHODS

TOKEN = "0123456789abcdef" * 2


@pytest.fixture
def before(document):
    """What a page held that named its visit so."""
    session = session_for(TOKEN, [])
    session.take(document)
    session.measurement = Measurement(None, [])
    return session


def test_all_that_a_page_held_goes_on_with_its_visit_and_only_once(before, document):
    assert before.visit == TOKEN
    after = session_for(TOKEN, [Session(), before])
    assert (after.document, after.visit, after.opened) == (document, TOKEN, True)
    assert after.measurement is not None
    assert (before.document, before.visit, before.holds) == (None, "", False)
    assert after.measurement is session_for(TOKEN, [before, after]).measurement
    assert session_for(TOKEN, [before, after]).holds is False  # it has gone on by then


def test_closing_the_page_before_or_after_changes_nothing_but_the_caches(before, document):
    before.leave()
    after = session_for(TOKEN, [before])
    before.leave()
    assert (after.document, after.left) == (document, False)
    assert after.measurement is not None


@pytest.mark.parametrize(
    "token", ["", None, 7, True, [], {}, [TOKEN], "0" * 31, TOKEN.upper(), f"{TOKEN}\n", "٣" * 32, "0" * 100_000]
)
def test_what_is_no_token_begins_afresh_and_takes_nothing_from_anyone(before, token, document):
    programs = Session()
    programs.take(document)
    after = session_for(token, [before, programs])
    assert (after.visit, after.document) == ("", None)
    assert before.document is programs.document is document


def test_another_token_begins_afresh(before, document):
    assert session_for("f" * 32, [before]).document is None
    assert before.document is document


def test_an_answer_that_is_being_written_is_stopped_and_comes_along(model, before):
    asked = questions.check_question("Why?", [METHODS["vanilla"]()], 8, 0, 0)
    work = questions.ask_steps(before, model, asked)
    next(work)
    work.close()  # as the server does when the page is gone
    after = session_for(TOKEN, [before])
    assert [turn.question for turn in after.turns] == ["Why?"]
    assert after.turns[0].finished
    assert after.asked == 1
    *_, last = questions.ask_steps(after, model, asked)
    assert len(last["turns"]) == 2


def test_work_that_does_not_end_is_not_waited_for_for_ever(before, monkeypatch, document):
    monkeypatch.setattr("app.session.sessions.ENDING", 0.01)
    with before.busy:
        assert session_for(TOKEN, [before]).document is document
        assert before.stop.is_set()


def test_whatever_a_session_holds_is_said_to_go_on_or_belongs_to_its_page():
    assert {*vars(Session())} - {*KEPT} == {
        "incoming", "panel", "picked_part", "stop", "busy", "meanwhile", "left", "opened", "model"
    }  # fmt: skip


def test_the_browser_draws_tokens_that_the_server_takes_and_keeps_them_from_copies_of_its_tab():
    assert "crypto.getRandomValues(new Uint8Array(16))" in visits.SCRIPT
    assert re.search(r"getItem\(name\);\s+sessionStorage.removeItem\(name\)", visits.SCRIPT)
