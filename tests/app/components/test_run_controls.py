"""Run gives way to Stop while something runs, whatever message is lost. That it comes back is seen in a browser."""

import gradio as gr

from app.components import run_controls
from app.components.run_controls import WORKING, marked
from longsight.errors import LongSightError

MARK, STATUS, BOARD = gr.HTML(), gr.HTML(), gr.HTML()


def updates_of(callback, *values):
    """The updates until the end, and the error that it ended with."""
    seen = []
    try:
        seen.extend(marked(callback, MARK)(*values))
    except gr.Error as error:
        return seen, error.message
    return seen, None


def test_the_mark_stands_in_every_message_and_the_last_one_is_said_twice():
    def callback(count):
        yield from ({STATUS: number, BOARD: "shown"} for number in range(count))

    first, second, last = updates_of(callback, 2)[0]
    assert first == {STATUS: 0, BOARD: "shown", MARK: WORKING}
    assert second == {STATUS: 1, BOARD: "shown", MARK: WORKING}
    assert last == second
    assert updates_of(callback, 0)[0] == []


def test_a_message_that_says_nothing_new_is_sent_again_only_now_and_then(monkeypatch):
    times = iter(range(100))
    monkeypatch.setattr(run_controls.time, "monotonic", lambda: next(times) * run_controls.REPEAT / 4)
    drawn = {BOARD: {"figures": [1]}}

    def callback():
        yield from ({STATUS: "waiting", **drawn} for _ in range(8))
        yield {STATUS: "reading", **drawn}

    seen = updates_of(callback)[0]
    assert 2 <= sum(update[STATUS] == "waiting" for update in seen) < 8  # the page may have missed the first one
    assert seen[-2:] == [{STATUS: "reading", **drawn, MARK: WORKING}] * 2


def test_a_message_that_updates_nothing_still_bears_the_mark():
    def callback():
        yield {}

    assert updates_of(callback)[0] == [{MARK: WORKING}] * 2


def test_an_error_ends_the_messages_with_its_sentence():
    def callback(begins):
        if begins:
            yield {STATUS: "reading"}
        raise LongSightError("No.")

    assert updates_of(callback, True) == ([{STATUS: "reading", MARK: WORKING}], "No.")
    assert updates_of(callback, False) == ([], "No.")


def test_leaving_the_page_closes_the_callback():
    closed = []

    def callback():
        try:
            yield {STATUS: "reading"}
        finally:
            closed.append(True)

    steps = marked(callback, MARK)()
    assert next(steps) == {STATUS: "reading", MARK: WORKING}
    steps.close()
    assert closed
