"""What a change costs on this processor: two checkouts of this project take turns.

`python -m benchmarks.checkouts BEFORE [AFTER] [--models rope-small ...]`, each a folder with the project in it. For
every model and method the processor time of reading and of a written token, after as a share of before: of reading the
fastest, of tokens the median, each in rounds in which the two take turns, in one thread.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TextIO

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


@contextmanager
def worker(checkout: Path, source: str, length: int, tokens: int) -> Iterator[tuple[TextIO, TextIO]]:
    """A process in a checkout, which has loaded the model: where it takes methods from, and where it writes to."""
    environment = os.environ | {"OMP_WAIT_POLICY": "PASSIVE", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", WORKER, json.dumps([source, length, tokens])]
    with subprocess.Popen(
        command, cwd=checkout, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        yield process.stdin, process.stdout
        process.stdin.close()


def compare(checkouts: list[Path], source: str, methods: list[str], length: int, tokens: int, rounds: int) -> list[str]:
    """One row of a table for each method."""
    found: dict[str, list[list[tuple[float, list[float]]]]] = {key: [[] for _ in checkouts] for key in methods}
    with ExitStack() as stack:
        workers = [stack.enter_context(worker(each, source, length, tokens)) for each in checkouts]
        for _ in range(rounds):
            for key, (asked, answers) in ((key, each) for key in methods for each in enumerate(workers)):
                print(key, file=answers[0], flush=True)
                seconds, times = json.loads(answers[1].readline())
                found[key][asked].append((seconds, times))
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
