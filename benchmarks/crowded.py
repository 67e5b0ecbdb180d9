"""How fast a model reads and writes beside other busy programs, with threads that wait asleep and as torch comes.

`python -m benchmarks.crowded [MODEL] [--loops 0 2 6]`. Every figure comes from a process of its own, which reads with
LM-Infinite and writes after it; ratios inside one run are what counts. Beside as many busy loops as there are cores, a
fair share is half of what a quiet machine does.
"""

if __name__ == "__main__":  # before torch is imported
    from longsight.processor import wait_asleep

    wait_asleep()

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass

from benchmarks.subject import DEFAULT, ROOT, random_ids
from longsight.generation.decode import Sampling, decode
from longsight.generation.prefill import prefill
from longsight.methods import METHODS
from longsight.models.model import load
from longsight.processor import WAITING

AS_IT_COMES, ASLEEP = "as torch comes", "asleep"
BUSY = """
import os
parent = os.getppid()
while os.getppid() == parent:  # not beyond a benchmark that is killed
    for _ in range(10**6):
        pass
"""
LOOPS = (0, 2, 6)
ONE = "import sys; from benchmarks.crowded import one; one(sys.argv[1])"


@dataclass(frozen=True)
class Speeds:
    """Tokens per second of wall-clock time, the median of a few."""

    reading: float
    writing: float


def measure(source: str, length: int, tokens: int, times: int, ours: bool) -> Speeds:
    """In this process, as its threads wait."""
    model = load(source)
    if ours:
        model = model.on_suited_threads()
    ids, method = random_ids(model.hf, length), METHODS["lm-infinite"](window=min(2048, model.train_length))
    prefill(model, ids[:64], method)
    reading, writing = [], []
    for _ in range(times):
        start = time.perf_counter()
        read = prefill(model, ids, method)
        reading.append(length / (time.perf_counter() - start))
        written = decode(model, read, Sampling(stop=frozenset(), max_new_tokens=tokens + 2))
        next(written)
        start = time.perf_counter()
        for _ in range(tokens):
            next(written)
        writing.append(tokens / (time.perf_counter() - start))
    return Speeds(statistics.median(reading), statistics.median(writing))


def one(given: str) -> None:
    """`measure` as it is asked for and told in JSON."""
    print(json.dumps(asdict(measure(*json.loads(given)))))


@contextmanager
def busy(loops: int) -> Iterator[None]:
    """So many other programs, each busy all the time."""
    started = [subprocess.Popen([sys.executable, "-c", BUSY]) for _ in range(loops)]
    try:
        yield
    finally:
        for process in started:
            process.kill()
            process.wait()


def fresh(options: argparse.Namespace, ours: bool) -> Speeds:
    """`measure` in a process of its own, whose threads wait as they were told to, or as torch comes."""
    known = {name: value for name, value in os.environ.items() if name not in (WAITING, "OMP_NUM_THREADS")}
    given = json.dumps([options.model, options.length, options.tokens, options.times, ours])
    done = subprocess.run(
        [sys.executable, "-c", ONE, given], cwd=ROOT, env=known | ({WAITING: "PASSIVE"} if ours else {}),
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise SystemExit(done.stderr[-2000:])
    return Speeds(**json.loads(done.stdout.splitlines()[-1]))


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.crowded", description=__doc__)
    parser.add_argument("model", nargs="?", default=str(DEFAULT), help="what longsight.load takes")
    parser.add_argument("--loops", type=int, nargs="+", default=LOOPS, help="busy programs beside")
    parser.add_argument("--length", type=int, default=4096, help="tokens read")
    parser.add_argument("--tokens", type=int, default=32, help="tokens written")
    parser.add_argument("--times", type=int, default=3, help="of which the median counts")
    options = parser.parse_args()
    print(f"{options.model}, {os.cpu_count()} cores; other load: {os.getloadavg()[0]:.1f}")
    print("| busy loops | threads | reading [tok/s] | of the quiet one | writing [tok/s] | of the quiet one |")
    print("|---:|---|---:|---:|---:|---:|")
    quiet: dict[bool, Speeds] = {}
    for loops in options.loops:
        for ours in (False, True):
            with busy(loops):
                found = fresh(options, ours)
            base = quiet.setdefault(ours, found)
            shares = (f"{found.reading / base.reading:.2f}", f"{found.writing / base.writing:.2f}")
            print(
                f"| {loops} | {ASLEEP if ours else AS_IT_COMES} | {found.reading:,.0f} | {shares[0]} | "
                f"{found.writing:,.1f} | {shares[1]} |", flush=True,
            )  # fmt: skip


if __name__ == "__main__":
    main()
