"""What looking costs: every probe of every panel in one forward pass, with time, peak memory and the size of figures.

`python -m benchmarks.probes` prints a table for texts of 4,096 and 32,768 tokens; each row is measured in a fresh
process. `--clock cpu` counts processor time of one thread, for a machine that others use as well.
"""

if __name__ == "__main__":  # before torch is imported
    from longsight.processor import wait_asleep

    wait_asleep()

import argparse
import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from tqdm import tqdm

from analysis.diagnostics.base import Records
from analysis.diagnostics.options import DEFAULT as OPTIONS
from analysis.diagnostics.panels import PANELS
from analysis.diagnostics.probing import Probing
from analysis.evaluation.memory import forget_peak, peak_memory
from analysis.evaluation.score_table import label_of
from analysis.runs import make_runs, methods_argument, read_one
from benchmarks.measure import CLOCKS
from benchmarks.subject import DEFAULT, ROOT, random_ids, read_stock
from longsight.methods import METHODS, Method
from longsight.models.model import Model, adopt
from longsight.progress import Progress, finish

LENGTHS = (4096, 32_768)
KEYS = ("vanilla", "lm-infinite", "infllm", "reattention")


@dataclass(frozen=True)
class ProbeSpec:
    """What to measure: a text of `length` random tokens under a method, at most `most` of its queries measured."""

    source: str
    method: str
    length: int
    most: int
    threads: int
    clock: str


@dataclass(frozen=True)
class ProbeResult:
    """Seconds to read the text with nothing but NLL, and with all probes; until the first figure could be drawn; and to
    draw all. Peak [bytes] of the process, and what of it came with the probes. The largest figure [bytes of JSON]."""

    bare: float
    probed: float
    first: float
    draw: float
    peak: int
    grown: int
    figure: int


def measure(spec: ProbeSpec) -> ProbeResult:
    """The measurement itself, in this process."""
    torch.set_num_threads(spec.threads)
    clock = CLOCKS[spec.clock]
    model = adopt(read_stock(spec.source), name=Path(spec.source).name)
    ids = random_ids(model.hf, spec.length)
    method = read_one(model, spec.method, spec.length)
    _start(model, random_ids(model.hf, 64), METHODS["vanilla"](), spec.most)
    begun = clock()
    model.nll(ids, method, chunk=512)
    bare = clock() - begun
    before = forget_peak()
    begun = clock()
    probing, steps = _probing(model, ids, method, spec.most)
    next(steps)
    _draw(method, probing.records(), ("logits",))
    first = clock() - begun
    for _ in steps:
        pass
    records = probing.records()
    probed, begun = clock() - begun, clock()
    largest = _draw(method, records, tuple(PANELS))
    drawn, peak = clock() - begun, peak_memory()
    return ProbeResult(bare, probed, first, drawn, peak, peak - before, largest)


def _probing(model: Model, ids: torch.Tensor, method: Method, most: int) -> tuple[Probing, Iterator[Progress]]:
    probes = [probe for panel in PANELS.values() for probe in panel.probes(OPTIONS)]
    probing = Probing(model, ids, method, probes, most)
    return probing, probing.steps()


def _start(model: Model, ids: torch.Tensor, method: Method, most: int) -> None:
    """Once through everything: the first pass pays for what later ones find ready."""
    probing, steps = _probing(model, ids, method, most)
    for _ in steps:
        pass
    _draw(method, probing.records(), tuple(PANELS))


def _draw(method: Method, records: Records, panels: tuple[str, ...]) -> int:
    """Draw these panels from the records of all; the size of the largest figure [bytes]."""
    sizes, rest = [0], list(records)
    for panel in PANELS.values():
        count = len(panel.probes(OPTIONS))
        own, rest = tuple(rest[:count]), rest[count:]
        if panel.key in panels:
            figures = panel.draw(make_runs([method]), [finish(panel.conclude([own], ["text"], OPTIONS))], OPTIONS)
            sizes += [len(each.figure.to_json()) for each in figures]
    return max(sizes)


def run(spec: ProbeSpec) -> ProbeResult:
    """Measure in a fresh process."""
    command = [sys.executable, "-m", "benchmarks.probes", "--one", json.dumps(asdict(spec))]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{spec} failed:\n{done.stderr[-2000:]}")
    return ProbeResult(**json.loads(done.stdout.splitlines()[-1]))


def row(spec: ProbeSpec, result: ProbeResult) -> str:
    cells = [
        f"{spec.length:,}",
        label_of(spec.method),
        f"{min(spec.length, spec.most):,}",
        f"{result.bare:.1f} s",
        f"{result.probed:.1f} s",
        f"{result.first:.1f} s",
        f"{result.draw:.1f} s",
        f"{result.peak / 2**20:,.0f} MiB",
        f"{result.grown / 2**20:,.0f} MiB",
        f"{result.figure / 1e6:.2f} MB",
    ]
    return f"| {' | '.join(cells)} |"


HEAD = (
    "| tokens | method | queries measured | nll only | all probes | first plot | drawing all | process peak "
    "| grown by | largest figure |\n|---|---|---|---|---|---|---|---|---|---|"
)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.probes", description=__doc__)
    parser.add_argument("model", nargs="?", default=str(DEFAULT), help="a folder with a model")
    parser.add_argument("--lengths", nargs="+", type=int, default=LENGTHS, help="tokens read")
    parser.add_argument("--methods", type=methods_argument, default=KEYS, help='"vanilla;self-extend:group=4"')
    parser.add_argument("--most-queries", type=int, default=OPTIONS.most_queries, help="measured at most")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--clock", choices=CLOCKS, default="wall")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    return parser.parse_args()


def main() -> None:
    given = arguments()
    if given.one:
        print(json.dumps(asdict(measure(ProbeSpec(**json.loads(given.one))))))
        return
    threads = 1 if given.clock == "cpu" else given.threads
    print(HEAD)
    for length in given.lengths:
        for key in tqdm(given.methods, desc=f"{length:,} tokens", leave=False):
            spec = ProbeSpec(given.model, key, length, given.most_queries, threads, given.clock)
            tqdm.write(row(spec, run(spec)))


if __name__ == "__main__":
    main()
