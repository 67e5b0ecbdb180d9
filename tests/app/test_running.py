"""Run and Stop: in line for the device, one thing at a time for each page, and everything let go of at the end."""

import gradio as gr
import pytest
import torch

from app.session import devices, running
from app.session.running import RESTING, WORKING, Pace, Waiting, marked, run_steps
from longsight.errors import LongSightError

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(devices, "POLL", 0.001)


class Work:
    """Three steps and a result, and a note of how it ended."""

    def __init__(self):
        self.closed = False

    def steps(self):
        try:
            for step in range(3):
                assert devices.turnstile(CPU).busy
                yield step
            return "result"
        finally:
            self.closed = True


def result(steps):
    """The steps, and what is returned after them."""
    seen = []
    while True:
        try:
            seen.append(next(steps))
        except StopIteration as finished:
            return seen, finished.value


def at_rest(session):
    return not devices.turnstile(CPU).busy and not session.busy.locked()


def test_work_goes_step_by_step_and_its_result_is_handed_on(session):
    assert result(run_steps(session, CPU, Work().steps())) == ([0, 1, 2], "result")
    assert at_rest(session)


def test_stop_ends_it_between_two_steps_and_frees_what_is_held(session):
    work = Work()
    steps = run_steps(session, CPU, work.steps())
    assert next(steps) == 0
    running.stop(session)
    assert result(steps) == ([], None)
    assert work.closed
    assert at_rest(session)


def test_leaving_the_page_closes_the_work(session):
    work = Work()
    steps = run_steps(session, CPU, work.steps())
    next(steps)
    steps.close()
    assert work.closed
    assert at_rest(session)


def test_an_error_in_the_work_reaches_the_caller_and_frees_everything(session):
    def fails():
        yield 1
        raise LongSightError("No.")

    with pytest.raises(LongSightError, match="No."):
        list(run_steps(session, CPU, fails()))
    assert at_rest(session)


def test_others_are_waited_for_and_stop_leaves_the_line(session):
    door = devices.turnstile(CPU)
    with pytest.raises(StopIteration) as entered:
        next(door.enter(lambda: False))
    work = Work()
    steps = run_steps(session, CPU, work.steps())
    assert next(steps) == Waiting(1)
    assert str(next(steps)) == "waiting for another visitor"
    running.stop(session)
    assert result(steps) == ([], None)
    door.leave(entered.value.value)
    assert at_rest(session)


def test_a_page_does_one_thing_at_a_time(session):
    steps = run_steps(session, CPU, Work().steps())
    next(steps)
    with pytest.raises(LongSightError, match="still at work on something else; stop that first, or wait for it"):
        next(run_steps(session, CPU, Work().steps()))
    steps.close()
    assert result(run_steps(session, CPU, Work().steps()))[1] == "result"


def test_pace_says_what_is_done_how_fast_and_what_is_left(monkeypatch):
    monkeypatch.setattr(running.time, "perf_counter", lambda: 10.0)
    pace = Pace(400, start=8.0)
    assert pace.said(100) == "100 of 400 tokens · 50 a second · 6 s left"
    assert pace.said(100, left=60) == "100 of 400 tokens · 50 a second · 1 min 0 s left"
    assert Pace(20, "trials", start=8.0).said(0) == "0 of 20 trials"


def test_a_sentence_on_progress_is_text():
    assert "&lt;b&gt;" in running.progress("<b>")
    assert 'value="0.250"' in running.progress("reading", 0.25)
    assert "value=" not in running.progress("loading")


def updates_of(callback, *values):
    """The updates until the end, and the error that it ended with."""
    seen = []
    try:
        seen.extend(marked(callback)(*values))
    except gr.Error as error:
        return seen, error.message
    return seen, None


def test_the_mark_stands_in_every_message_and_the_last_one_says_everything_again_at_rest():
    def callback(count):
        yield from ([number, "shown"] for number in range(count))

    assert updates_of(callback, 2)[0] == [[0, "shown", WORKING], [1, "shown", WORKING], [1, "shown", RESTING]]
    assert updates_of(callback, 0)[0] == []


def test_a_message_that_says_nothing_new_is_sent_again_only_now_and_then(monkeypatch):
    times = iter(range(100))
    monkeypatch.setattr(running.time, "monotonic", lambda: next(times) * running.REPEAT / 4)
    drawn = [gr.skip(), {"figures": [1]}]

    def callback():
        yield from (["waiting", *drawn] for _ in range(8))
        yield ["reading", *drawn]

    seen = updates_of(callback)[0]
    assert 2 <= sum(update[0] == "waiting" for update in seen) < 8  # the page may have missed the first one
    assert seen[-2:] == [["reading", *drawn, WORKING], ["reading", *drawn, RESTING]]


def test_an_error_in_the_middle_brings_run_back_and_one_before_it_began_changes_nothing():
    def callback(begins):
        if begins:
            yield ["reading"]
        raise LongSightError("No.")

    assert updates_of(callback, True) == ([["reading", WORKING], ["reading", RESTING]], "No.")
    assert updates_of(callback, False) == ([], "No.")


def test_leaving_the_page_closes_the_callback():
    closed = []

    def callback():
        try:
            yield ["reading"]
        finally:
            closed.append(True)

    steps = marked(callback)()
    assert next(steps) == ["reading", WORKING]
    steps.close()
    assert closed
