"""One at a time, in the order of arrival, and whoever leaves makes room."""

import threading

import psutil
import pytest
import torch

from app.session import devices
from app.session.devices import Turnstile


def entered(steps):
    """The ticket, from someone who must not have to wait."""
    with pytest.raises(StopIteration) as done:
        next(steps)
    return done.value.value


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(devices, "POLL", 0.001)


def test_the_first_enters_at_once_and_the_others_see_how_many_are_ahead():
    door = Turnstile()
    first = entered(door.enter(lambda: False))
    second, third = door.enter(lambda: False), door.enter(lambda: False)
    assert next(second) == 1
    assert next(third) == 2
    door.leave(first)
    ticket = entered(second)
    assert next(third) == 1
    door.leave(ticket)
    door.leave(entered(third))
    assert not door.busy


def test_one_who_has_had_enough_leaves_the_queue_without_a_ticket():
    door = Turnstile()
    first, had_enough = entered(door.enter(lambda: False)), threading.Event()
    waiting, behind = door.enter(had_enough.is_set), door.enter(lambda: False)
    assert (next(waiting), next(behind)) == (1, 2)
    had_enough.set()
    assert entered(waiting) is None
    assert next(behind) == 1
    door.leave(first)
    assert entered(behind) is not None


def test_closing_a_waiting_generator_gives_the_place_up():
    door = Turnstile()
    first = entered(door.enter(lambda: False))
    waiting = door.enter(lambda: False)
    next(waiting)
    waiting.close()
    door.leave(first)
    assert not door.busy


def test_a_device_has_one_turnstile():
    assert devices.turnstile(torch.device("cpu")) is devices.turnstile(torch.device("cpu"))


def test_a_containers_limit_counts(tmp_path, monkeypatch):
    monkeypatch.setattr(devices, "CGROUP", tmp_path)
    assert devices.free_bytes(torch.device("cpu")) > 0
    for file, text in (("max", "1000000"), ("current", "400000"), ("stat", "anon 1\ninactive_file 100000\n")):
        (tmp_path / f"memory.{file}").write_text(text, encoding="utf-8")
    assert devices.free_bytes(torch.device("cpu")) == 700_000
    (tmp_path / "memory.max").write_text("max\n", encoding="utf-8")
    assert devices.free_bytes(torch.device("cpu")) > 1_000_000


@pytest.mark.skipif(not psutil.LINUX, reason="only Linux limits the addresses of a process")
def test_a_limit_on_the_process_counts():
    process = psutil.Process()
    before = process.rlimit(psutil.RLIMIT_AS)
    process.rlimit(psutil.RLIMIT_AS, (process.memory_info().vms + 50_000_000, before[1]))
    try:
        assert 0 < devices.free_bytes(torch.device("cpu")) <= 50_000_000
    finally:
        process.rlimit(psutil.RLIMIT_AS, before)
