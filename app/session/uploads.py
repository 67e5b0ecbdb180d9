"""The files that visitors send: read from the one folder that they arrive in, and swept away soon after.

Gradio files an upload under its content, so two visitors with the same text share one file; and it hands on any path
that it serves to everyone, as the style sheet's. So a reader asks where a path leads, and never deletes: `sweep` does.
"""

import atexit
import contextlib
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path

from filelock import FileLock, Timeout

from app.session import formatting
from longsight.errors import LongSightError

KEPT = 300.0
"""Seconds that a file lies on the disk, read or not. Reading is the first thing that follows its arrival."""

PREFIX, LOCK = "longsight-uploads-", ".lock"
CLAIMING = 60.0  # seconds in which a folder may be without its lock


class UploadFolder:
    """A folder of this process alone, which holds its lock; deleted when the process ends."""

    def __init__(self, base: str | os.PathLike[str]) -> None:
        """Make one in `base`, and clear away those of processes that ended without doing so."""
        Path(base).mkdir(parents=True, exist_ok=True)
        _remove_orphans(Path(base))
        self.path = Path(tempfile.mkdtemp(prefix=PREFIX, dir=base)).resolve()
        self._lock = FileLock(self.path / LOCK)
        self._lock.acquire()
        atexit.register(self.close)

    def close(self) -> None:
        self._lock.release()
        shutil.rmtree(self.path, ignore_errors=True)

    def take(self, path: str | os.PathLike[str], most: int) -> tuple[str, bytes]:
        """The name and the bytes of a file in this folder.

        Raises `LongSightError` for any other path, and for more than `most` bytes, before any is read.
        """
        file = self._inside(path)
        if file is None:
            raise LongSightError(f"{Path(path).name} is not among the uploads of this server any more; give it again.")
        with file.open("rb") as opened:
            size = os.fstat(opened.fileno()).st_size
            if size > most:
                raise LongSightError(
                    f"{file.name} has {formatting.size(size)}; up to {formatting.size(most)} are read here."
                )
            return file.name, opened.read(most)

    def _inside(self, path: str | os.PathLike[str]) -> Path | None:
        try:
            file = Path(path).resolve()
        except (OSError, ValueError):  # a loop of links, a NUL in the name
            return None
        return file if file.is_relative_to(self.path) and file.name != LOCK and file.is_file() else None

    def sweep(self, kept: float = KEPT) -> None:
        """Delete what has lain here for longer than `kept` seconds, also halves of files and empty ones."""
        before = time.time() - kept
        for folder, _, names in os.walk(self.path, topdown=False):
            for file in (Path(folder, name) for name in names if name != LOCK):
                _delete_if_old(file, before, Path.unlink)
            if Path(folder) != self.path:
                _delete_if_old(Path(folder), before, _remove_empty)


@cache
def folder() -> UploadFolder:
    """The folder of this process, in GRADIO_TEMP_DIR or where temporary files go."""
    return UploadFolder(os.environ.get("GRADIO_TEMP_DIR") or tempfile.gettempdir())


def _delete_if_old(path: Path, before: float, delete: Callable[[Path], None]) -> None:
    """Meanwhile it may be gone: Gradio moves an upload when it is whole."""
    with contextlib.suppress(FileNotFoundError):
        if path.lstat().st_mtime < before:
            delete(path)


def _remove_empty(folder: Path) -> None:
    if not os.listdir(folder):
        folder.rmdir()


def _remove_orphans(base: Path) -> None:
    """Of servers that are no more. Another one that begins just now, or ends, may be quicker."""
    for left in base.glob(f"{PREFIX}*"):
        with contextlib.suppress(FileNotFoundError, Timeout):  # gone; or its server is at work
            if time.time() - left.stat().st_mtime < CLAIMING or not os.access(left, os.W_OK):
                continue
            with FileLock(left / LOCK, timeout=0):
                shutil.rmtree(left, ignore_errors=True)
