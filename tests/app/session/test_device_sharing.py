"""Everybody in turn: who has had least is next, newcomers come first, and whoever leaves makes room."""

import threading
import time

import pytest
import torch

from app.session import device_sharing
from app.session.device_jobs import DeviceJob
from app.session.device_sharing import DeviceLine, Waiting, in_turn, line_of, nobody_knows
from longsight.errors import LongSightError

CPU = torch.device("cpu")


class Visitor:
    """Somebody."""


def steps_of(count, seen=None):
    for step in range(count):
        if seen is not None:
            seen.append(step)
        yield step
    return "result"


def drive(line, work, name, order, seconds):
    """A visitor of its own: steps of so many `seconds`, each noted in `order`."""

    def steps():
        for _ in range(work):
            time.sleep(seconds)
            order.append(name)
            yield

    with line.place(Visitor(), nobody_knows) as place:
        for _ in place.take_turns(DeviceJob(steps), lambda: False):
            pass
        order.append(f"{name} ends")


def test_a_device_has_one_line():
    assert line_of(CPU) is line_of(torch.device("cpu"))


def test_who_is_alone_works_to_the_end():
    steps = in_turn(CPU, Visitor(), lambda: False, DeviceJob(steps_of, (3,)))
    assert [next(steps) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(StopIteration) as finished:
        next(steps)
    assert finished.value.value == "result"
    assert not line_of(CPU).busy


def test_nothing_is_done_while_somebody_else_holds_the_device(monkeypatch):
    line, seen = DeviceLine(), []
    with line.place(Visitor(), lambda: 2.0) as first, line.place(Visitor(), lambda: 5.0) as second:
        assert line.take(first)
        steps = second.take_turns(DeviceJob(steps_of, (3, seen)), lambda: False)
        assert next(steps) == Waiting(1, 2.0)
        assert seen == []
        line.give(first, 0.5)
        assert next(steps) == 0
        assert first.waiting == Waiting(1, 2.0)


def test_whoever_waits_for_a_first_word_comes_before_whoever_has_one_but_not_for_ever():
    line, worded = DeviceLine(), []
    with (
        line.place(Visitor(), nobody_knows) as writing,
        line.place(Visitor(), nobody_knows, lambda: not worded) as reading,
    ):

        def next_of_both():
            with line._guard:
                line._wanting += [writing, reading]
                line._hand_on()
                line._wanting.clear()
            holder = line._holder
            line.give(holder, 0.1)
            return "writing" if holder is writing else "reading"

        assert [next_of_both() for _ in range(6)] == ["reading"] * 3 + ["writing", "reading", "writing"]
        worded.append("The")
        assert [next_of_both() for _ in range(4)] == ["writing"] * 2 + ["writing", "reading"]


def test_a_long_work_lets_a_short_one_through(monkeypatch):
    """The short one comes later, and ends long before the long one has been done."""
    monkeypatch.setattr(device_sharing, "SLICE", 0.005)
    line, order = DeviceLine(), []
    long = threading.Thread(target=drive, args=(line, 100, "long", order, 0.002))
    long.start()
    while len(order) < 10:
        time.sleep(0.001)
    drive(line, 5, "short", order, 0.002)
    assert "long ends" not in order
    long.join()
    assert order[-1] == "long ends"


def test_equals_get_equal_parts(monkeypatch):
    monkeypatch.setattr(device_sharing, "SLICE", 0.005)
    line, order = DeviceLine(), []
    both = [threading.Thread(target=drive, args=(line, 60, name, order, 0.002)) for name in "ab"]
    for thread in both:
        thread.start()
    for thread in both:
        thread.join()
    first_end = min(order.index("a ends"), order.index("b ends"))
    assert 90 <= first_end <= 121, "neither is far behind when the other ends"


def test_who_has_had_least_is_next_and_a_newcomer_is_ahead():
    line = DeviceLine()
    with line.place(Visitor(), nobody_knows) as a, line.place(Visitor(), nobody_knows) as b:
        line.give(a, 3.0)
        line.give(b, 2.5)
        with line.place(Visitor(), nobody_knows) as newcomer, line.place(Visitor(), nobody_knows) as another:
            assert newcomer.used == another.used == b.used - device_sharing.CREDIT
            assert line.take(newcomer)
            line._wanting += [a, b]
            line.give(newcomer, 10.0)
            assert b.turn.is_set()
            assert not a.turn.is_set()
            line._wanting.remove(a)


def test_on_a_processor_work_counts_and_not_what_others_kept_it_from():
    """A slice of a second in which nothing was worked takes next to nothing of a visitor's share."""

    def work():
        time.sleep(1.0)
        yield 1

    line = device_sharing.line_of(CPU)
    with line.place(Visitor(), nobody_knows) as place:
        before = place.used
        for _ in place.take_turns(DeviceJob(work), lambda: False):
            pass
        assert place.used - before < 0.5


def test_who_has_had_enough_gives_the_place_up_and_begins_nothing(monkeypatch):
    line, enough, seen = DeviceLine(), threading.Event(), []

    with line.place(Visitor(), nobody_knows) as first:
        assert line.take(first)
        with line.place(Visitor(), nobody_knows) as second:
            steps = second.take_turns(DeviceJob(steps_of, (3, seen)), enough.is_set)
            assert next(steps) == Waiting(1)
            enough.set()
            assert list(steps) == []
        assert seen == []
        assert line.others(first.visitor) == []
    assert not line.busy


def test_what_fails_hands_the_device_on():
    def fails():
        yield 1
        raise LongSightError("No.")

    with pytest.raises(LongSightError, match="No."):
        list(in_turn(CPU, Visitor(), lambda: False, DeviceJob(fails)))
    assert not line_of(CPU).busy
    assert list(in_turn(CPU, Visitor(), lambda: False, DeviceJob(steps_of, (2,)))) == [0, 1]


def test_a_full_line_says_so(monkeypatch):
    monkeypatch.setattr(device_sharing, "MOST_AT_ONCE", 1)
    line = DeviceLine()
    with (
        line.place(Visitor(), nobody_knows),
        pytest.raises(LongSightError, match="1 visitors are at work on this device already, as many as it can serve"),
        line.place(Visitor(), nobody_knows),
    ):
        pass
    assert not line.busy


def test_a_forecast_adds_others_turns_up_to_ones_own():
    line = DeviceLine()
    with (
        line.place(Visitor(), lambda: 4.0) as mine,
        line.place(Visitor(), lambda: 100.0),
        line.place(Visitor(), lambda: 1.0),
    ):
        assert mine.waiting == Waiting(2, 5.0)
        assert str(mine.waiting) == "sharing the device with 2 other visitors, whose turns take about 5 s"
        with line.place(Visitor(), nobody_knows):
            assert mine.waiting == Waiting(3)


def test_who_comes_back_has_what_they_had_and_no_credit_again():
    line, often = DeviceLine(), Visitor()
    with line.place(Visitor(), nobody_knows) as waits:
        for _ in range(3):
            with line.place(often, nobody_knows) as place:
                line.give(place, 0.4)
        with line.place(often, nobody_knows) as place:
            assert place.used == pytest.approx(waits.used + 1.2)


def test_ones_own_other_work_is_nobody_else():
    line, visitor = DeviceLine(), Visitor()
    with line.place(visitor, nobody_knows) as mine, line.place(visitor, nobody_knows):
        assert mine.waiting == Waiting(0)
        assert line.busy
