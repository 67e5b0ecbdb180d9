"""What the server does while it serves."""

import asyncio
from contextvars import ContextVar

from app import serving
from app.components.session_states import SessionStates
from app.page import build_page
from app.session import housekeeping, uploads
from app.session.housekeeping import Used
from tests.event_loops import run_apart


def test_a_look_that_fails_is_told_and_the_next_one_follows(monkeypatch, caplog, tmp_path):
    """A race for one file or one cache ended all looks: memory never came back until the server was started again."""
    looks, second, ours = [], asyncio.Event(), ContextVar("ours", default=False)
    monkeypatch.setattr(serving.uploads, "folder", lambda: folder)
    folder = uploads.UploadFolder(tmp_path)

    def tidy(sessions, before):
        if not ours.get():  # the page that the browser tests of this process look at
            return before
        looks.append(before)
        if len(looks) == 1:
            raise RuntimeError("dictionary changed size during iteration")
        loop.call_soon_threadsafe(second.set)
        return Used(1, 1)

    async def two_looks():
        nonlocal loop
        loop = asyncio.get_running_loop()
        ours.set(True)
        looking = asyncio.create_task(serving.tidy_on(SessionStates(holds=bool), pause=0.01))
        await asyncio.wait_for(second.wait(), 60)
        looking.cancel()

    loop = None
    monkeypatch.setattr(housekeeping, "tidy", tidy)
    run_apart(two_looks())
    folder.close()
    assert looks[:2] == [housekeeping.NOTHING] * 2
    assert "dictionary changed size" in caplog.text


def test_no_statistics_are_drawn_up_when_an_event_ends():
    queue = build_page()._queue
    queue.events_recorded = 10**6
    ended = {"time": 1.0, "status": "success", "process_time": 1.0, "function": "ask", "session_hash": "one"}
    assert queue.compute_analytics_summary([ended]) == {"functions": {}}
    assert queue.ANALYTICS_MAX_EVENTS == 1


def test_a_server_that_nobody_asks_anything_looks_seldom_for_it():
    """Gradio looked a thousand times a second, which took a twentieth of a core of a server at rest."""
    queue = build_page()._queue
    queue.active_jobs = [None]
    pauses = []

    async def rest():
        loop = asyncio.get_running_loop()
        later = loop.call_later

        def at_once(seconds, *call, **context):
            pauses.append(seconds)
            if len(pauses) == 20:
                queue.close()
            return later(0, *call, **context)

        loop.call_later = at_once
        await asyncio.gather(queue.start_processing(), queue.start_progress_updates())

    run_apart(rest())
    assert sum(1 / seconds for seconds in set(pauses)) < 110  # looks in a second
