"""Files of visitors: read from one folder, gone soon after, whoever sends them and however the server ends."""

import os
import time
from pathlib import Path

import pytest

from app.session.uploads import CLAIMING, LOCK, UploadFolder
from longsight.errors import LongSightError


@pytest.fixture
def folder(tmp_path):
    made = UploadFolder(tmp_path / "temporary")
    yield made
    made.close()


def arrive(folder, name, content=b"words"):
    path = folder.path / "of its content" / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)
    return path


def age(path, seconds):
    os.utime(path, (time.time() - seconds,) * 2)


def test_a_file_is_read_as_often_as_it_is_asked_for(folder):
    path = arrive(folder, "a.txt")
    assert [folder.take(path, 5), folder.take(str(path), 5)] == [("a.txt", b"words")] * 2


def test_too_large_a_file_is_refused_before_it_is_read(folder):
    path = arrive(folder, "big.txt", b"")
    os.truncate(path, 50_000_000)
    with pytest.raises(LongSightError, match=r"big\.txt has 50\.0 MB; up to 20\.0 MB are read here"):
        folder.take(path, 20_000_000)


def test_no_other_path_is_read(folder, tmp_path):
    secret = tmp_path / "secret.txt"
    secret.write_text("mine")
    link = folder.path / "link.txt"
    link.symlink_to(secret)
    beside = folder.path.with_name(folder.path.name + "-beside")
    beside.mkdir()
    (beside / "a.txt").write_text("mine")
    for path in (
        secret, link, folder.path / "../../secret.txt", beside / "a.txt", folder.path, folder.path / LOCK,
        folder.path / "gone.txt", "", "a\0b", "x" * 5000,
    ):  # fmt: skip
        with pytest.raises(LongSightError, match="is not among the uploads of this server any more"):
            folder.take(path, 100)
    assert secret.read_text() == "mine"


def test_what_has_lain_long_enough_is_swept_read_or_not(folder):
    old, new, half = arrive(folder, "old.txt"), arrive(folder, "new.txt"), folder.path / "tmpabc"
    half.touch()
    for path in (old, half):
        age(path, 1000)
    folder.sweep(kept=500)
    assert [path.exists() for path in (old, new, half)] == [False, True, False]
    age(new, 1000)
    folder.sweep(kept=500)
    age(new.parent, 1000)
    folder.sweep(kept=500)
    assert [path.name for path in folder.path.iterdir()] == [LOCK]


def test_a_file_that_is_moved_while_it_is_swept_stops_nothing(folder, monkeypatch):
    moved, old = arrive(folder, "moved.txt"), arrive(folder, "old.txt")
    age(old, 1000)

    walk = os.walk

    def walked_before(path, topdown):
        found = list(walk(path, topdown=topdown))
        moved.unlink()
        return found

    monkeypatch.setattr(os, "walk", walked_before)
    folder.sweep(kept=500)
    assert not old.exists()


def test_folders_of_servers_that_were_killed_are_cleared_and_those_at_work_are_not(folder, tmp_path):
    killed, young = (tmp_path / "temporary" / f"longsight-uploads-{name}" for name in ("killed", "young"))
    for left in (killed, young):
        left.mkdir()
        (left / "a.txt").write_text("words")
    for left in (killed, folder.path):
        age(left, 2 * CLAIMING)
    other = UploadFolder(tmp_path / "temporary")
    assert [killed.exists(), young.exists(), folder.path.exists()] == [False, True, True]
    other.close()
    assert not other.path.exists()


def test_a_folder_that_another_server_clears_at_the_same_moment_is_no_hindrance(folder, tmp_path, monkeypatch):
    gone, base = tmp_path / "temporary" / "longsight-uploads-gone", tmp_path / "temporary"
    glob = Path.glob
    monkeypatch.setattr(Path, "glob", lambda path, pattern: [*glob(path, pattern), gone])
    UploadFolder(base).close()
