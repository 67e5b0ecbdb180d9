"""What a change costs on this processor: two checkouts of this project take turns.

`python -m benchmarks.checkouts BEFORE [AFTER] [--models rope-small ...]`, each a folder with the project in it. For
every model and method the processor time of reading and of a written token, after as a share of before: of reading the
fastest, of tokens the median, each in rounds in which the two take turns, in one thread.
"""

if __name__ == "__main__":  # before torch is imported
    from longsight.processor import wait_asleep

    wait_asleep()

import argparse
import json
import statistics
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from benchmarks.subject import ROOT

METHODS = "vanilla", "lm-infinite", "self-extend"
MODELS = "assets/models/rope-small", "assets/models/alibi-small", "SmolLM2-135M"
WORKER = """
import json, sys, time
import torch
from longsight.generation.decode import Sampling, decode
from longsight.generation.prefill import prefill
from longsight.models.model import load
torch.set_num_threads(1)
source, length, tokens = json.loads(sys.argv[1])
model = load(source, "cpu", torch.float32)
ids = torch.randint(model.hf.config.vocab_size, (length,), generator=torch.Generator().manual_seed(0))
for line in sys.stdin:
    method = model.method(line.strip(), 4 * model.train_length)
    start = time.process_time()
    read = prefill(model, ids, method, chunk=1024)
    seconds, times = time.process_time() - start, []
    written = decode(model, read, Sampling(stop=frozenset(), max_new_tokens=2**30))
    for _ in range(tokens + 3):
        start = time.process_time()
        next(written)
        times.append(time.process_time() - start)
    print(json.dumps([seconds, times[3:]]), flush=True)
"""
"""What runs in either checkout: a line with a method comes in, and processor times come out."""


Answers = tuple[float, list[float]]
"""Seconds of processor time for reading, and for each token."""


@dataclass(frozen=True)
class MeasuringProcess:
    """A process in a checkout that has loaded the model."""

    checkout: Path
    process: subprocess.Popen[str]

    def measure(self, key: str) -> Answers:
        """What one method costs there; SystemExit when the process has ended."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        with suppress(BrokenPipeError):  # it has ended, and so there is no answer
            print(key, file=self.process.stdin, flush=True)
        if not (line := self.process.stdout.readline()):
            raise SystemExit(f"{self.checkout}: the model could not be measured; what is above says why.")
        seconds, times = json.loads(line)
        return seconds, times


@contextmanager
def worker(checkout: Path, source: str, length: int, tokens: int) -> Iterator[MeasuringProcess]:
    command = [sys.executable, "-c", WORKER, json.dumps([source, length, tokens])]
    process = subprocess.Popen(command, cwd=checkout, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        yield MeasuringProcess(checkout, process)
    finally:
        process.kill()
        process.communicate()


def compare(checkouts: list[Path], source: str, methods: list[str], length: int, tokens: int, rounds: int) -> list[str]:
    """One row of a table for each method."""
    found: dict[str, list[list[Answers]]] = {key: [[] for _ in checkouts] for key in methods}
    with ExitStack() as stack:
        workers = [stack.enter_context(worker(each, source, length, tokens)) for each in checkouts]
        for _ in range(rounds):
            for key, sides in found.items():
                for side, each in zip(sides, workers, strict=True):
                    side.append(each.measure(key))
    rows = []
    for key, sides in found.items():
        reading = [min(seconds for seconds, _ in side) for side in sides]
        writing = [statistics.median(time for _, times in side for time in times) for side in sides]
        cells = [f"{reading[0]:.2f} | {reading[1] / reading[0]:.2f}"]
        cells.append(f"{writing[0] * 1e3:.2f} | {writing[1] / writing[0]:.2f}")
        rows.append(f"| {Path(source).name}, {key} | {' | '.join(cells)} |")
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.checkouts", description=__doc__)
    parser.add_argument("before", type=Path)
    parser.add_argument("after", type=Path, nargs="?", default=ROOT)
    parser.add_argument("--models", nargs="+", default=MODELS)
    parser.add_argument("--methods", nargs="+", default=METHODS)
    parser.add_argument("--length", type=int, default=2048, help="tokens read")
    parser.add_argument("--tokens", type=int, default=40, help="tokens written in each round")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    print(f"After {options.length:,} tokens.\n")
    print("| | reading [s] | after / before | writing [ms per token] | after / before |\n|---|---:|---:|---:|---:|")
    checkouts = [options.before, options.after]
    for source in options.models:
        numbers = options.length, options.tokens, options.rounds
        print("\n".join(compare(checkouts, source, list(options.methods), *numbers)), flush=True)


if __name__ == "__main__":
    main()
