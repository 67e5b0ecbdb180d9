"""Evaluations from the command line: every method on every length of a task, resumable, on one machine or on many."""

if __name__ == "__main__":  # before torch is imported
    from longsight.processor import wait_asleep

    wait_asleep()

import argparse
import os
import sys
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

from joblib import Parallel, delayed, parallel_config
from tqdm import tqdm

from longsight.errors import LongSightError
from longsight.progress import Progress, finish

from . import runs
from .evaluation.cell import EvaluationCell, digest
from .evaluation.results import FILE, Results, opened
from .evaluation.row import Row
from .evaluation.tasks import TASKS, Outcome, Task, read_task
from .evaluation.worker import cell_steps, run_cell

MODULE = f"python -m {__spec__.name}"
EXAMPLE = """For example:

  %(prog)s --model assets/models/rope-small --task passkey --out results/first \\
    --methods "vanilla,self-extend;lm-infinite:top_k=5,from_layer=1" --lengths 512,2048,8192

The same command goes on where it was stopped, however it was stopped. The command `report` makes tables and figures."""

STOPPED = 130
"""What a shell expects of a command that was interrupted."""

LOOPBACK = "127.0.0.1"
"""Where a cluster that is started here can be reached: from this machine and from nowhere else."""

RAY_HELP = "--backend ray needs Ray, which is not installed here: pip install ray, or leave --backend out."


@dataclass(frozen=True)
class Workers:
    """Who runs the cells: this process, or `jobs` others, or with the `backend` "ray" the workers of a cluster, at
    `ray_address` or started here. `threads` are torch's in each; `device` None is the best there is."""

    device: str | None = None
    threads: int | None = None
    jobs: int | None = None
    backend: str | None = None
    ray_address: str | None = None


def main(arguments: Sequence[str] | None = None, prog: str = MODULE) -> int:
    """Run one command line; 0 when every cell is finished."""
    given = _parser(prog).parse_args(arguments)
    folder = Path(given.out)
    try:
        methods, tasks = runs.method_parts(given.methods), [read_task(task) for task in given.task]
        cells = plan(given.model, methods, tasks, _lengths(given.lengths), given.trials, given.seed)
        workers = Workers(given.device, given.threads, given.jobs, given.backend, given.ray_address)
        with opened(folder) as results:
            if given.forget:
                results.forget_other_weights(cells)
            run(cells, results, workers)
            results.settle()
    except LongSightError as problem:
        print(problem, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nStopped. The same command goes on with the cells that are missing.", file=sys.stderr)
        return STOPPED
    for line in refusals(cells, results):
        print(line)
    print(folder / FILE)
    return 0


def refusals(cells: Sequence[EvaluationCell], results: Results) -> list[str]:
    """Why those of the cells could not be run that could not."""
    asked = {cell.key for cell in cells}
    return [
        f"{row.method.text} on {row.model.name}, {row.length:,} tokens: {row.refused}"
        for key, row in results.rows.items()
        if key in asked and row.refused is not None
    ]


def plan(
    models: Sequence[str], methods: Sequence[str], tasks: Sequence[Task], lengths: Sequence[int], trials: int, seed: int
) -> list[EvaluationCell]:
    """Every cell, those first that share a model and their cases; `methods` as text, one in each."""
    if trials < 1:
        raise LongSightError(f"--trials must be at least 1, but {trials} was given.")
    digests = {model: digest(model) for model in models}
    return [
        EvaluationCell(model, digests[model], task, method, length, trials, seed)
        for model, task, length, method in product(models, tasks, lengths, methods)
    ]


def run(cells: Sequence[EvaluationCell], results: Results, workers: Workers) -> None:
    """Run the cells that are missing, writing each down as soon as it is finished."""
    missing = [cell for cell in cells if not results.has(cell)]
    with tqdm(total=len(cells), initial=len(cells) - len(missing), unit="cell", disable=None) as bar:
        for row in _rows(missing, workers, bar):
            results.append(row)
            bar.update()


def _rows(cells: Sequence[EvaluationCell], workers: Workers, bar: tqdm) -> Iterator[Row]:
    if workers.backend is None and (workers.jobs or 1) == 1:
        for cell in cells:
            yield _shown(cell_steps(cell, workers.device, workers.threads), cell, bar)
        return
    with _backend(workers) as count, Parallel(n_jobs=count, return_as=_return_as(workers.backend)) as parallel:
        # A backend that hands back lists only is given as many cells at a time as it has workers.
        size = len(cells) if workers.backend is None else count
        for start in range(0, len(cells), max(size, 1)):
            work = (
                delayed(run_cell)(cell, workers.device, workers.threads or 1) for cell in cells[start : start + size]
            )
            yield from parallel(work)


def _shown(steps: Generator[Progress[Outcome], None, Row], cell: EvaluationCell, bar: tqdm) -> Row:
    """The row of a cell that runs in this process, its progress in tokens beside the bar."""
    what = f"{cell.task.describe()} {cell.method} {cell.length:,}"
    return finish(steps, lambda done, total: bar.set_postfix_str(f"{what}: {done:,}/{total:,} tokens"))


def _return_as(backend: str | None) -> str:
    return "generator_unordered" if backend is None else "list"


@contextmanager
def _backend(workers: Workers) -> Iterator[int]:
    """joblib's backend, its own processes or the workers of a Ray cluster; and how many of them there are."""
    if workers.backend is None:
        yield workers.jobs or 1
        return
    try:
        import ray
        from ray.util.joblib import register_ray
    except ImportError as problem:
        raise LongSightError(RAY_HELP) from problem
    register_ray()
    mine: dict[str, Any] = {} if workers.ray_address else {"include_dashboard": False, "_node_ip_address": LOOPBACK}
    with ray.init(address=workers.ray_address, log_to_driver=False, **mine), parallel_config(backend="ray"):
        yield workers.jobs or int(ray.cluster_resources()["CPU"])


def _lengths(text: str) -> list[int]:
    try:
        lengths = [int(part) for part in text.split(",")]
    except ValueError:
        raise LongSightError(f"--lengths must be whole numbers with commas, but {text!r} was given.") from None
    if min(lengths) < 1:
        raise LongSightError(f"--lengths must be at least 1 token, but {min(lengths)} was given.")
    return lengths


def _parser(prog: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=prog, description=__doc__, epilog=EXAMPLE, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    tasks = "; ".join(f"{key} ({task.paper})" for key, task in TASKS.items())
    parser.add_argument("--model", required=True, nargs="+", help="folders, .gguf files or names on the Hub")
    parser.add_argument("--methods", required=True, help='"vanilla,window;self-extend:group=4,window=128", or "all"')
    parser.add_argument("--task", required=True, nargs="+", help=f'"passkey:filler=prose"; there are {tasks}')
    parser.add_argument("--lengths", required=True, help="tokens, with commas: 512,2048,8192")
    parser.add_argument("--trials", type=int, default=4, help="cases in a cell")
    parser.add_argument("--seed", type=int, default=0, help="what the cases are drawn from")
    parser.add_argument("--out", required=True, help="a folder; finished cells that are in it are not run again")
    parser.add_argument(
        "--jobs", type=int, help="worker processes, each with a model of its own; 1, with Ray all there are"
    )
    parser.add_argument("--threads", type=int, help="of torch, in each worker; with several workers 1")
    parser.add_argument("--device", help="cpu, cuda ...; the best there is")
    parser.add_argument("--forget", action="store_true", help="drop cells of other weights of these models")
    parser.add_argument("--backend", choices=["ray"], help="ray: spread the work over a Ray cluster")
    parser.add_argument("--ray-address", help="of the cluster; without it, one is started on this machine")
    return parser


if __name__ == "__main__":
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    sys.exit(main())
