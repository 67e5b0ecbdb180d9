"""What the server does while it serves."""

import asyncio

from app import serving
from app.components.session_states import SessionStates
from app.session import housekeeping, uploads
from app.session.housekeeping import Used


def test_a_look_that_fails_is_told_and_the_next_one_follows(monkeypatch, caplog, tmp_path):
    """A race for one file or one cache ended all looks: memory never came back until the server was started again."""
    looks, second = [], asyncio.Event()
    monkeypatch.setattr(serving.uploads, "folder", lambda: folder)
    folder = uploads.UploadFolder(tmp_path)

    def tidy(sessions, before):
        looks.append(before)
        if len(looks) == 1:
            raise RuntimeError("dictionary changed size during iteration")
        loop.call_soon_threadsafe(second.set)
        return Used(1, 1)

    async def two_looks():
        nonlocal loop
        loop = asyncio.get_running_loop()
        looking = asyncio.create_task(serving.tidy_on(SessionStates(holds=bool), pause=0.01))
        await asyncio.wait_for(second.wait(), 60)
        looking.cancel()

    loop = None
    monkeypatch.setattr(housekeeping, "tidy", tidy)
    asyncio.run(two_looks())
    folder.close()
    assert looks[:2] == [housekeeping.NOTHING] * 2
    assert "dictionary changed size" in caplog.text
