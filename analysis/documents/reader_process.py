"""Files whose format is a program's own, read in a process that may take so much memory and time and no more.

Run as a module it is that process: on its standard input one line of JSON that says what to read, then the file; on its
standard output lines of JSON, how far it is, and in the end the text or what stands in its way.
"""

import contextlib
import json
import os
import select
import subprocess
import sys
import tempfile
import threading
from collections.abc import Generator, Iterator
from dataclasses import asdict
from importlib import import_module
from pathlib import Path
from typing import Any

from longsight.errors import LongSightError
from longsight.progress import Progress

from .file_text import FileText, NoWordsError

AT_ONCE = threading.BoundedSemaphore(2)
"""Readers at work; other files wait."""
POLL = 0.2  # seconds between two looks at the process
MOST_MEMORY = 2_000_000_000  # bytes of addresses, of which Python and the packages take some hundred million
MOST_SECONDS = 120  # of the processor
ROOT = Path(__file__).resolve().parents[__name__.count(".")]


def read_steps(
    raw: bytes, name: str, title: str, module: str, package: str
) -> Generator[Progress[None], None, FileText]:
    """What `module` makes of the file, a `title`.

    Raises `LongSightError` for what it refuses, and where it fails, takes too much, or lacks its `package`.
    """
    while not AT_ONCE.acquire(timeout=POLL):
        yield Progress(0, 0, "waiting for other files to be read")
    try:
        with _started({"name": name, "title": title, "module": module, "package": package}, raw) as process:
            for line in _lines(process):
                told: dict[str, Any] = {} if line is None else json.loads(line)
                if "text" in told:
                    return FileText(**told)
                if "problem" in told:
                    raise (NoWordsError if told["wordless"] else LongSightError)(told["problem"])
                if told:
                    yield Progress(told["done"], told["total"], told["doing"])
                else:
                    yield Progress(0, 0, f"reading {title}")
        raise LongSightError(
            f"{name} takes more than {MOST_SECONDS} seconds or {MOST_MEMORY / 1e9:.0f} GB to be read as {title}; give "
            "its text as a .txt file."
        )
    finally:
        AT_ONCE.release()


@contextlib.contextmanager
def _started(asked: dict[str, str], raw: bytes) -> Iterator[subprocess.Popen[bytes]]:
    """The process with its task before it; killed at the end."""
    with tempfile.TemporaryFile() as given:
        given.write(json.dumps(asked).encode() + b"\n" + raw)
        given.seek(0)
        process = subprocess.Popen([sys.executable, "-m", __name__], cwd=ROOT, stdin=given, stdout=subprocess.PIPE)
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def _lines(process: subprocess.Popen[bytes]) -> Iterator[bytes | None]:
    """What the process says, line by line; None whenever it says nothing for a while."""
    assert process.stdout is not None
    held = bytearray()
    while True:
        if not select.select([process.stdout], [], [], POLL)[0]:
            yield None
            continue
        got = os.read(process.stdout.fileno(), 1 << 20)
        if not got:
            return
        held += got
        if b"\n" in got:
            *lines, held = held.split(b"\n")
            yield from map(bytes, lines)


def main() -> None:
    _limit()
    task = json.loads(sys.stdin.buffer.readline())
    raw, name, title = sys.stdin.buffer.read(), task["name"], task["title"]
    try:
        read = import_module(f".{task['module']}", __package__).read
        told = asdict(read(raw, name, _tell))
    except LongSightError as problem:
        told = _problem(str(problem), isinstance(problem, NoWordsError))
    except ImportError:
        needed = f"{name} is a {title}, which {task['package']} reads; that is not installed here"
        told = _problem(f"{needed}: pip install 'longsight[documents]', or give its text as a .txt file.")
    except MemoryError:
        os._exit(1)
    except Exception as problem:  # whatever a reader makes of a damaged file
        told = _problem(f"{name} cannot be read as {title} ({type(problem).__name__}); it may be damaged.")
    _say(told)


def _problem(sentence: str, wordless: bool = False) -> dict[str, Any]:
    return {"problem": sentence, "wordless": wordless}


def _limit() -> None:
    """Keep this process to its share, where the system can, and behind those that people wait for."""
    with contextlib.suppress(ImportError, AttributeError):
        import resource

        os.nice(5)
        resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))
        resource.setrlimit(resource.RLIMIT_CPU, (MOST_SECONDS, MOST_SECONDS + 5))


def _tell(done: int, total: int, doing: str) -> None:
    _say({"done": done, "total": total, "doing": doing})


def _say(told: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(told) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
