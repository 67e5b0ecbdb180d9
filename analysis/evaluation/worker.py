"""Running one cell of an evaluation: what a worker does."""

import platform
import time
from collections.abc import Callable, Generator, Sequence
from datetime import UTC, datetime
from functools import lru_cache, partial
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import torch

from longsight.errors import LongSightError
from longsight.methods import Method
from longsight.models.model import Model, load

from .. import runs
from .limits import sight
from .results import EvaluationCell, Row, mean_scores
from .tasks import Case, Outcome, Step, read_task

PACKAGES = ("torch", "transformers", "tokenizers", "numpy", "sacrebleu", "rouge-score")
"""Whose versions are written down with every result."""


@lru_cache(maxsize=1)
def loaded(source: str, device: str | None) -> Model:
    """The model, loaded once in each process."""
    return load(source, device)


@lru_cache(maxsize=4)
def cases_of(source: str, device: str | None, task: str, length: int, trials: int, seed: int) -> tuple[Case, ...]:
    """The cases of a cell, which all methods share."""
    return tuple(read_task(task).cases(loaded(source, device), length, trials, seed))


def run_cell(cell: EvaluationCell, device: str | None = None, threads: int | None = None) -> Row:
    """`cell_steps` run to its end, with torch on `threads` threads: what one job of joblib is."""
    steps = cell_steps(cell, device, threads)
    while True:
        try:
            next(steps)
        except StopIteration as finished:
            return finished.value


def cell_steps(
    cell: EvaluationCell, device: str | None = None, threads: int | None = None
) -> Generator[Step, None, Row]:
    """Run a cell on a model of this process; yields often and returns its row."""
    if threads is not None:
        torch.set_num_threads(threads)
    model = loaded(cell.model, device)
    cases = partial(cases_of, cell.model, device, cell.task, cell.length, cell.trials, cell.seed)
    return (yield from steps_on(model, cell, cases))


def steps_on(
    model: Model, cell: EvaluationCell, make_cases: Callable[[], Sequence[Case]]
) -> Generator[Step, None, Row]:
    """Run a cell on `model`. What cannot be done is a row that says so in a sentence. Closing it stops the work."""
    began, started = time.perf_counter(), datetime.now(UTC)
    method: Method | None = None
    cases: Sequence[Case] = ()
    outcomes: list[Outcome] = []
    refused = None
    try:
        method, cases = runs.read_one(model, cell.method, cell.length), make_cases()
        for step in read_task(cell.task).steps(model, method, cases):
            yield step
            if step.outcome is not None:
                outcomes.append(step.outcome)
    except LongSightError as problem:
        outcomes, refused = [], str(problem)
    outcomes.sort(key=lambda outcome: outcome.case)
    row = describe(cell, model, method, refused)
    row["cases"] = [_case(cases[outcome.case], outcome) for outcome in outcomes]
    row["scores"] = mean_scores(row["cases"])
    row["run"] = {
        "started": started.isoformat(timespec="seconds"),
        "seconds": time.perf_counter() - began,
        "cost": [outcome.cost for outcome in outcomes],
        "machine": machine(model),
        "versions": versions(),
    }
    return row


def describe(cell: EvaluationCell, model: Model, method: Method | None, refused: str | None) -> Row:
    """What the cell is, and what it takes to run it again."""
    task = read_task(cell.task)
    return {
        "cell": cell.key,
        "model": {
            "name": model.name, "source": cell.model, "digest": cell.digest, "train_length": model.train_length,
            "positions": model.position_encoding, "parameters": model.hf.num_parameters(), "dtype": str(model.dtype),
        },
        "method": {
            "key": cell.method.partition(":")[0], "text": cell.method,
            "caption": None if method is None else method.describe(),
            "parameters": None if method is None else vars(method),
            "reach": None if method is None else method.reach(model.train_length),
            "sight": None if method is None else sight(method, cell.length),
        },
        "task": {"key": task.key, "text": cell.task, "options": vars(task)},
        "length": cell.length,
        "trials": cell.trials,
        "seed": cell.seed,
        "refused": refused,
    }  # fmt: skip


def _case(case: Case, outcome: Outcome) -> Row:
    return {"tokens": len(case.ids), "answers": list(case.answers), "said": outcome.said, "scores": outcome.scores,
            "facts": case.facts} | ({"more": outcome.more} if outcome.more else {})  # fmt: skip


def machine(model: Model) -> dict[str, Any]:
    """Where it ran."""
    where = torch.cuda.get_device_name(model.device) if model.device.type == "cuda" else platform.machine()
    return {"device": model.device.type, "name": where, "threads": torch.get_num_threads(), "system": platform.system()}


def versions() -> dict[str, str]:
    """Of Python and of the packages that results depend on."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:  # not every task needs every package
            continue
    return found
