"""Running one cell of an evaluation: what a worker does."""

import platform
from collections.abc import Callable, Generator, Sequence
from datetime import UTC, datetime
from functools import lru_cache, partial
from importlib.metadata import PackageNotFoundError, version

import torch

from longsight.errors import LongSightError
from longsight.generation.prefill import Chunk
from longsight.methods import Method
from longsight.models.model import Model, load
from longsight.progress import Progress, finish

from .. import runs
from .cell import EvaluationCell
from .limits import sight
from .row import Row, RowCase, RowMachine, RowMethod, RowModel, RowRun, RowTask
from .tasks import Case, Outcome, Task
from .tasks.clock import Clock

PACKAGES = ("torch", "transformers", "tokenizers", "numpy", "sacrebleu", "rouge-score")
"""Whose versions are written down with every result."""


@lru_cache(maxsize=1)
def loaded(source: str, digest: str, device: str | None) -> Model:
    """The model, loaded once in each process; a folder with another `digest` is read again."""
    return load(source, device)


@lru_cache(maxsize=4)
def cases_of(
    source: str, digest: str, device: str | None, task: Task, length: int, trials: int, seed: int
) -> tuple[Case, ...]:
    """The cases of a cell, which all methods share."""
    return tuple(task.cases(loaded(source, digest, device), length, trials, seed))


def run_cell(cell: EvaluationCell, device: str | None = None, threads: int | None = None) -> Row:
    """`cell_steps` run to its end, with torch on `threads` threads: what one job of joblib is."""
    return finish(cell_steps(cell, device, threads))


def cell_steps(
    cell: EvaluationCell, device: str | None = None, threads: int | None = None
) -> Generator[Progress[Outcome], None, Row]:
    """Run a cell on a model of this process; yields often and returns its row."""
    if threads is not None:
        torch.set_num_threads(threads)
    model = loaded(cell.model, cell.digest, device)
    if threads is None:
        model = model.on_suited_threads()
    cases = partial(cases_of, cell.model, cell.digest, device, cell.task, cell.length, cell.trials, cell.seed)
    return (yield from steps_on(model, cell, cases))


def steps_on(
    model: Model, cell: EvaluationCell, make_cases: Callable[[], Sequence[Case]], chunk: Chunk | None = None
) -> Generator[Progress[Outcome], None, Row]:
    """Run a cell on `model`. What cannot be done is a row that says so in a sentence. Closing it stops the work.

    `chunk`: tokens that are read at once; None: as many as suit the task.
    """
    clock, started = Clock(), datetime.now(UTC)
    read_by = {} if chunk is None else {"chunk": chunk}
    method: Method | None = None
    cases: Sequence[Case] = ()
    outcomes: list[Outcome] = []
    refused = None
    try:
        method, cases = runs.read_one(model, cell.method, cell.length), make_cases()
        for step in cell.task.steps(model, method, cases, **read_by):
            yield from clock.aside(step)
            if step.result is not None:
                outcomes.append(step.result)
    except LongSightError as problem:
        outcomes, refused = [], str(problem)
    outcomes.sort(key=lambda outcome: outcome.case)
    answered = tuple(_case(cases[outcome.case], outcome) for outcome in outcomes)
    return Row(
        cell=cell.key,
        model=_model(model, cell),
        method=_method(model, cell, method),
        task=RowTask(key=cell.task.key, text=cell.task.describe(), options=vars(cell.task)),
        length=cell.length,
        trials=cell.trials,
        seed=cell.seed,
        refused=refused,
        cases=answered,
        scores=mean_scores(answered),
        run=RowRun(
            started=started.isoformat(timespec="seconds"),
            seconds=clock.stop()[0],
            cost=tuple(dict(outcome.cost) for outcome in outcomes),
            machine=machine(model),
            versions=versions(),
        ),
    )


def _model(model: Model, cell: EvaluationCell) -> RowModel:
    return RowModel(
        name=model.name,
        source=cell.model,
        digest=cell.digest,
        train_length=model.train_length,
        positions=model.position_encoding,
        parameters=model.hf.num_parameters(),
        dtype=str(model.dtype),
    )


def _method(model: Model, cell: EvaluationCell, method: Method | None) -> RowMethod:
    return RowMethod(
        key=cell.method.partition(":")[0],
        text=cell.method,
        caption=None if method is None else method.describe(),
        parameters=None if method is None else vars(method),
        reach=None if method is None else method.reach(model.train_length),
        sight=None if method is None else sight(method, cell.length),
    )


def _case(case: Case, outcome: Outcome) -> RowCase:
    return RowCase(
        tokens=len(case.ids),
        answers=case.answers,
        said=outcome.said,
        scores=dict(outcome.scores),
        facts=case.facts.model_dump(mode="json", exclude_none=True),
        more={name: tuple(values) for name, values in outcome.more.items()} or None,
    )


def mean_scores(cases: Sequence[RowCase]) -> dict[str, float]:
    """The mean of each score over the cases that have it."""
    names = dict.fromkeys(name for case in cases for name in case.scores)
    known = {name: [score for case in cases if (score := case.scores.get(name)) is not None] for name in names}
    return {name: sum(values) / len(values) for name, values in known.items() if values}


def machine(model: Model) -> RowMachine:
    """Where it ran."""
    where = torch.cuda.get_device_name(model.device) if model.device.type == "cuda" else platform.machine()
    threads = torch.get_num_threads() if model.threads is None else model.threads.reading
    return RowMachine(device=model.device.type, name=where, threads=threads, system=platform.system())


def versions() -> dict[str, str]:
    """Of Python and of the packages that results depend on."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:  # not every task needs every package
            continue
    return found
