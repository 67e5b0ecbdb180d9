"""UMAP in a process of its own: it takes long to load and to compile, and a layout that has begun can only be killed.

Run as a module it is that process. It reads, line by line, folders that hold `points.npy` and `axes.npy`, leaves
`layout.npy` there, and answers "done".
"""

import atexit
import select
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator
from pathlib import Path

import numpy as np

NEIGHBOURS = 15  # UMAP's default; with fewer points than this it refuses
POLL = 0.2  # seconds between two looks at the process
ROOT = Path(__file__).resolve().parents[__name__.count(".")]


class Worker:
    """One such process. It stays warm for the next layout, and is killed when a layout is given up."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", __name__], cwd=ROOT, text=True, bufsize=1,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )  # fmt: skip
        self.loaded = False

    def answers(self) -> bool:
        """Whether it has said something, after a moment's wait. Raises `RuntimeError` when it has died."""
        assert self._process.stdout is not None
        if not select.select([self._process.stdout], [], [], POLL)[0]:
            return False
        if not self._process.stdout.readline():
            raise RuntimeError(f"the UMAP process ended with status {self._process.wait()}; its errors are in the log")
        return True

    def ask(self, folder: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{folder}\n")

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()


_idle: list[Worker] = []


def lay_out_steps(points: np.ndarray, axes: int, what: str) -> Generator[str, None, np.ndarray]:
    """`points` (point, channel) -> (point, axis); yields what is going on, several times a second.

    Closing the generator kills the process and frees what it held.
    """
    begun, worker = time.monotonic(), _idle.pop() if _idle else Worker()
    finished = False
    try:
        while not worker.loaded:
            yield f"loading UMAP, once · {time.monotonic() - begun:.0f} s"
            worker.loaded = worker.answers()
        with tempfile.TemporaryDirectory() as folder:
            np.save(Path(folder, "points.npy"), points)
            np.save(Path(folder, "axes.npy"), axes)
            worker.ask(folder)
            while not worker.answers():
                yield f"UMAP of {what} · {time.monotonic() - begun:.0f} s"
            layout = np.load(Path(folder, "layout.npy"))
        finished = True
        return layout
    finally:
        if finished and not _idle:
            _idle.append(worker)
        else:
            worker.kill()


@atexit.register
def dismiss() -> None:
    """Let go of the process that waits for the next layout."""
    while _idle:
        _idle.pop().kill()


def main() -> None:
    import umap

    print("loaded", flush=True)
    for line in sys.stdin:
        folder = Path(line.strip())
        points, axes = np.load(folder / "points.npy"), int(np.load(folder / "axes.npy"))
        fitted = umap.UMAP(n_components=axes, n_neighbors=min(NEIGHBOURS, len(points) - 1), random_state=0, n_jobs=1)
        np.save(folder / "layout.npy", fitted.fit_transform(points))
        print("done", flush=True)


if __name__ == "__main__":
    main()
