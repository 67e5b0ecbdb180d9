"""Work that can be stopped: in turn at the device, one thing at a time for each page, all let go of at the end."""

import pytest
import torch

from app.session import running
from app.session.device_jobs import DeviceJob
from app.session.device_sharing import Waiting, line_of
from app.session.running import run_steps
from longsight.errors import LongSightError
from tests.app.conftest import others_at

CPU = torch.device("cpu")


class Work:
    """Three steps and a result, and a note of how it ended."""

    def __init__(self):
        self.closed = False

    def steps(self):
        try:
            for step in range(3):
                assert line_of(CPU).busy
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
    return not line_of(CPU).busy and not session.busy.locked()


def test_work_goes_step_by_step_and_its_result_is_handed_on(session):
    assert result(run_steps(session, CPU, DeviceJob(Work().steps))) == ([0, 1, 2], "result")
    assert at_rest(session)


def test_stop_ends_it_between_two_steps_and_frees_what_is_held(session):
    work = Work()
    steps = run_steps(session, CPU, DeviceJob(work.steps))
    assert next(steps) == 0
    running.stop(session)
    assert result(steps) == ([], None)
    assert work.closed
    assert at_rest(session)


def test_leaving_the_page_closes_the_work(session):
    work = Work()
    steps = run_steps(session, CPU, DeviceJob(work.steps))
    next(steps)
    steps.close()
    assert work.closed
    assert at_rest(session)


def test_an_error_in_the_work_reaches_the_caller_and_frees_everything(session):
    def fails():
        yield 1
        raise LongSightError("No.")

    with pytest.raises(LongSightError, match="No."):
        list(run_steps(session, CPU, DeviceJob(fails)))
    assert at_rest(session)


def test_others_are_waited_for_and_stop_leaves_the_line(session):
    with others_at(CPU):
        work = Work()
        steps = run_steps(session, CPU, DeviceJob(work.steps))
        assert next(steps) == Waiting(1)
        assert str(next(steps)) == "sharing the device with another visitor"
        running.stop(session)
        assert result(steps) == ([], None)
    assert at_rest(session)


def test_a_page_does_one_thing_at_a_time(session):
    steps = run_steps(session, CPU, DeviceJob(Work().steps))
    next(steps)
    with pytest.raises(LongSightError, match="still at work on something else; stop that first, or wait for it"):
        next(run_steps(session, CPU, DeviceJob(Work().steps)))
    steps.close()
    assert result(run_steps(session, CPU, DeviceJob(Work().steps)))[1] == "result"
