"""What nobody needs any more is let go, the longest idle first, and its owner hears of it once."""

import pytest

from app.session import housekeeping, passkey_grids
from app.session.documents import Document
from app.session.housekeeping import Idle, Used, keep_within, tidy
from app.session.questions import ask_steps, check_question
from app.session.sessions import Session
from longsight.errors import LongSightError
from longsight.methods import METHODS


def holding(characters, opened=True):
    session = Session()
    session.opened = opened
    session.take(Document("text.txt", "é" * characters, 2 * characters))
    return session


def test_a_text_counts_as_the_memory_that_it_takes():
    plain, wide = holding(0), holding(0)
    plain.take(Document("a", "a" * 1000, 1000))
    wide.take(Document("b", "a" * 999 + "🎉", 1003))
    assert 1000 <= plain.nbytes < 1200
    assert wide.nbytes >= 4000


def test_what_a_closed_page_held_is_let_go_after_a_moment():
    early, late = holding(100), holding(100)
    tidy([Idle(early, housekeeping.GRACE - 1, True), Idle(late, housekeeping.GRACE, True)])
    assert early.document is not None
    assert (late.document, late.nbytes) == (None, 0)


def test_a_program_that_asks_nothing_any_more_holds_nothing_any_more():
    program, page = holding(100, opened=False), holding(100)
    tidy([Idle(each, housekeeping.IDLE, False) for each in (program, page)])
    assert program.document is None
    assert page.document is not None


def test_memory_goes_back_whenever_less_is_used_whoever_let_go_of_it(monkeypatch):
    given = []
    monkeypatch.setattr(housekeeping, "give_back", lambda: given.append(True))
    staying, leaving = holding(100), holding(200)
    sessions = [Idle(each, 1, False) for each in (staying, leaving)]
    with leaving.busy:
        used = tidy(sessions)
        assert used == tidy(sessions, used) == Used(1, 2)
    assert given == []
    used = tidy(sessions, used)  # the work is over
    assert (used, len(given)) == (Used(0, 2), 1)
    leaving.let_go("It had to go.")
    used = tidy(sessions, used)
    assert (used, len(given)) == (Used(0, 1), 2)
    assert tidy(sessions, used) == used
    assert len(given) == 2
    assert tidy([], used) == housekeeping.NOTHING
    assert len(given) == 3


def test_whoever_is_at_work_keeps_everything():
    session = holding(100)
    with session.busy:
        tidy([Idle(session, 1e6, True)])
    assert session.document is not None


def test_beyond_the_budget_programs_go_first_and_then_who_was_idle_longest():
    program, old, new = holding(1000, opened=False), holding(1000), holding(1000)
    idle = [Idle(old, 50, False), Idle(new, 5, False), Idle(program, 1, False)]
    keep_within(2 * old.nbytes, idle)
    assert [each.document is None for each in (program, old, new)] == [True, False, False]
    keep_within(old.nbytes, [idle[0], idle[1]])
    assert [each.document is None for each in (old, new)] == [True, False]


def test_the_owner_is_told_once_and_nothing_is_answered_as_if_there_had_been_no_text(model):
    session = holding(100)
    session.let_go(housekeeping.FULL)
    question = check_question("Why?", [METHODS["vanilla"]()], 4, 0, 0)
    with pytest.raises(LongSightError, match="let go to make room; give it again"):
        list(ask_steps(session, model, question))
    assert session.turns == []
    assert list(ask_steps(session, model, question))[-1]["turns"][0]["cells"][0]["state"] == "done"


def test_another_text_ends_the_matter():
    session = holding(100)
    session.let_go(housekeeping.FULL)
    session.take(Document("new.txt", "New.", 4))
    session.check_kept()
    assert passkey_grids.own_text(session) == "New."
