"""A pass key hidden at every length and depth: how often each method finds it, and every single answer.

A grid is a record from its first trial on: it can be saved half done, read again, and gone on with.
"""

import hashlib
import json
from collections.abc import Callable, Generator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from longsight.errors import LongSightError
from longsight.generation.prefill import Chunk
from longsight.methods import Method
from longsight.models.model import Model
from longsight.progress import Progress

from ..export.records import Column, Record, array, value
from ..runs import Run, make_runs, method_of
from .grid_record import GridRecord
from .limits import sight
from .tasks import Steps
from .tasks.hidden_key import KeyCase
from .tasks.passkey import Passkey

MOST = {"method": 8, "length": 16, "depth": 21, "trial": 50}
"""What one grid may have of each; a file with more is none of ours."""


@dataclass(frozen=True, eq=False)
class TrialGrid(Record):
    """What was asked, and what came of it so far. A trial is done when its `found` is a number.

    Raises `LongSightError` on values that no run of ours could have left there.
    """

    model: str = value("name of the model")
    train_length: int = value("length of the model's training", "tokens")
    task: dict[str, Any] = value("options of the pass key task")
    text: str = value("name of the text that the keys are hidden in; empty: the task's own")
    digest: str = value("SHA-256 of that text; empty: the task's own")
    seed: int = value("what the keys and places are drawn from")
    method: np.ndarray = array("method", "key of the method in METHODS")
    caption: np.ndarray = array("method", "the method and its parameters in one line")
    parameters: np.ndarray = array("method", "the method's parameters as JSON")
    reach: np.ndarray = array("method", "longest text with familiar distances only; NaN: any", "tokens")
    sight: np.ndarray = array("method", "longest text that is seen whole; NaN: any that is in the grid", "tokens")
    length: np.ndarray = array("length", "length of the prompt and its answer", "tokens")
    depth: np.ndarray = array("depth", "where the key stands: 0 at the beginning, 1 at the end")
    trial: np.ndarray = array("trial", "number of the trial, from 0")
    expected: np.ndarray = array("length depth trial", "the key; empty before the first method was asked for it")
    found: np.ndarray = array("method length depth trial", "1: the key was found, 0: it was not; NaN: not done")
    said: np.ndarray = array("method length depth trial", "what the model answered")

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check_kinds()
        for axis, most in MOST.items():
            count = len(getattr(self, axis))
            if not 1 <= count <= most:
                raise LongSightError(f"A grid has 1 to {most} of '{axis}', but {count} were given.")
        if not np.isin(self.found[~np.isnan(self.found)], (0, 1)).all():
            raise LongSightError("TrialGrid.found must hold 0, 1 or nothing for each trial.")
        if (np.diff(self.length) <= 0).any() or (np.diff(self.depth) <= 0).any() or self.length[0] < 1:
            raise LongSightError("The lengths and the depths of a grid must rise.")
        if self.depth[0] < 0 or self.depth[-1] > 1:
            raise LongSightError(f"Depths lie between 0 and 1, but {self.depth.tolist()} were given.")
        if self.trial.tolist() != list(range(len(self.trial))):
            raise LongSightError("The trials of a grid are numbered from 0.")
        if self.train_length < 1 or not 0 <= self.seed < 2**63:
            raise LongSightError(
                f"A grid is of a model trained on 1 token or more and has a seed from 0 on, but {self.train_length:,} "
                f"and {self.seed} were given."
            )
        self.methods()
        self.passkey()

    def _check_kinds(self) -> None:
        kinds = {"method": "U", "caption": "U", "parameters": "U", "reach": "f", "sight": "f", "length": "i",
                 "depth": "f", "trial": "i", "expected": "U", "found": "f", "said": "U"}  # fmt: skip
        wrong = [name for name, kind in kinds.items() if getattr(self, name).dtype.kind != kind]
        types = {"model": str, "train_length": int, "task": dict, "text": str, "digest": str, "seed": int}
        wrong += [name for name, type_ in types.items() if type(getattr(self, name)) is not type_]
        if wrong:
            raise LongSightError(f"{', '.join(wrong)} of a grid must hold other kinds of values than were given.")

    @property
    def done(self) -> int:
        """How many trials have been done."""
        return int(np.isfinite(self.found).sum())

    @property
    def finished(self) -> bool:
        return self.done == self.found.size

    def methods(self) -> list[Method]:
        """The methods with their parameters. Raises `LongSightError` on what is none."""
        return [method_of(*each) for each in zip(self.method.tolist(), self.parameters.tolist(), strict=True)]

    def runs(self) -> tuple[Run, ...]:
        """The methods told apart, in the order of the places that they have here."""
        return make_runs(self.methods())

    def passkey(self) -> Passkey:
        """The task with its options. Raises `LongSightError` on others than it has."""
        try:
            return Passkey(**self.task)
        except TypeError as problem:
            raise LongSightError(f"The pass key task has no options {self.task}.") from problem

    def of_method(self, number: int) -> GridRecord:
        """The keys found by the method at place `number`, counted: what figures are drawn from."""
        found = self.found[number]
        limits = [np.full(len(self.length), np.inf if np.isnan(limit[number]) else limit[number])
                  for limit in (self.reach, self.sight)]  # fmt: skip
        return GridRecord(
            model=self.model,
            task=self.passkey().describe(),
            method=str(self.method[number]),
            label=str(self.caption[number]),
            train_length=self.train_length,
            length=self.length,
            depth=self.depth,
            reach=limits[0],
            sight=limits[1],
            found=np.nansum(found, -1).T.astype(np.int64),
            trials=np.isfinite(found).sum(-1).T,
        )

    def columns(self) -> tuple[Column, ...]:
        """Besides the fields: what tells a method from the same one with other parameters."""
        ids = np.array([run.id for run in self.runs()])
        return (Column("run", ("method",), "names the method among those of the grid", "", ids), *super().columns())

    def asks_like(self, other: "TrialGrid") -> bool:
        """Whether both ask the same of the same model, whatever was answered so far."""
        singles = all(getattr(self, spec.name) == getattr(other, spec.name) for spec in self.values())
        axes = ("method", "parameters", "length", "depth", "trial")
        return singles and all(np.array_equal(getattr(self, axis), getattr(other, axis)) for axis in axes)


def text_digest(text: str | None) -> str:
    """The SHA-256 of a text; empty for None."""
    return "" if text is None else hashlib.sha256(text.encode()).hexdigest()


def new_grid(
    model: Model,
    task: Passkey,
    methods: Sequence[Method],
    lengths: Sequence[int],
    depths: Sequence[float],
    trials: int,
    seed: int,
    text: str | None = None,
    name: str = "",
) -> TrialGrid:
    """A grid in which nothing is done yet; `text` is called `name`. Raises `LongSightError` on what makes no grid."""
    if trials < 1 or not (methods and lengths and depths):
        raise LongSightError("A grid needs at least one method, one length, one depth and one trial.")
    shape = (len(lengths), len(depths), trials)
    return TrialGrid(
        model=model.name,
        train_length=model.train_length,
        task=asdict(replace(task, prompt=task.prompt_for(model))),
        text=name,
        digest=text_digest(text),
        seed=seed,
        method=np.array([method.key for method in methods]),
        caption=np.array([method.describe() for method in methods]),
        parameters=np.array([json.dumps(asdict(method)) for method in methods]),
        reach=np.array([_limit(method.reach(model.train_length)) for method in methods]),
        sight=np.array([_limit(sight(method, max(lengths))) for method in methods]),
        length=np.array(lengths, dtype=np.int64),
        depth=np.array(depths, dtype=np.float64),
        trial=np.arange(trials),
        expected=np.full(shape, "", dtype=np.str_),
        found=np.full((len(methods), *shape), np.nan),
        said=np.full((len(methods), *shape), "", dtype=np.str_),
    )


def _limit(tokens: int | None) -> float:
    return np.nan if tokens is None else float(tokens)


Place = tuple[int, int, int, int]
"""A trial: its method, length, depth and number."""


@dataclass(frozen=True, kw_only=True)
class GridProgress(Progress[Place]):
    """How far the trials of one `method` (its place in the grid) and one `length` are [tokens].

    `result` is the trial that has just come to its end; `problem` says why a method cannot go on; `record` makes the
    grid as it is now.
    """

    method: int
    length: int
    record: Callable[[], TrialGrid]
    problem: str = ""


def fill_steps(
    model: Model, grid: TrialGrid, text: str | None = None, skip: Sequence[int] = (), chunk: Chunk = 2048
) -> Generator[GridProgress, None, TrialGrid]:
    """Do the trials that are missing, the short texts first; yields often, returns the full grid.

    Methods whose places are in `skip` are left out; one that fails says so and is left out from there on. Closing the
    generator stops the work. Raises `LongSightError` when the text is too short, or another than the grid's.
    """
    if text_digest(text) != grid.digest:
        raise LongSightError(f"This grid hides its keys in {grid.text!r}; choose that text again to go on.")
    task, methods = grid.passkey(), grid.methods()
    work = _Work(grid)
    skipped = set(skip)
    yield work.at(0, 0, "checking the text")
    task.case(model, int(grid.length[-1]), 0.5, 0, grid.seed, text)  # says so at once if it does not suffice
    for length in range(len(grid.length)):
        cases: dict[tuple[int, int], KeyCase] = {}
        for number in range(len(methods)):
            missing = work.missing(number, length)
            if number in skipped or not missing:
                continue
            for place in missing:
                if place not in cases:
                    yield work.at(number, length, "making prompts")
                    cases[place] = make_case(model, grid, (length, *place), text)
            for step in _cell_steps(model, methods[number], task, work, (number, length), cases, chunk):
                yield step
                if step.problem:
                    skipped.add(number)
    return work.record()


def make_case(model: Model, grid: TrialGrid, place: tuple[int, int, int], text: str | None) -> KeyCase:
    """The case at (length, depth, trial) of a grid."""
    length, depth, trial = place
    return grid.passkey().case(model, int(grid.length[length]), float(grid.depth[depth]), trial, grid.seed, text)


class _Work:
    """A grid while it is being filled."""

    def __init__(self, grid: TrialGrid) -> None:
        self.grid = grid
        self.found = grid.found.copy()
        self.said, self.expected = grid.said.astype(object), grid.expected.astype(object)

    def missing(self, method: int, length: int) -> list[tuple[int, int]]:
        """(depth, trial) of the trials that are still to be done."""
        return [(int(depth), int(trial)) for depth, trial in np.argwhere(np.isnan(self.found[method, length]))]

    def at(self, method: int, length: int, doing: str = "reading") -> GridProgress:
        """Before the first token is read for a method and a length."""
        return GridProgress(0, 1, doing, method=method, length=length, record=self.record)

    def record(self) -> TrialGrid:
        return replace(
            self.grid, found=self.found.copy(), said=self.said.astype(np.str_), expected=self.expected.astype(np.str_)
        )


def _cell_steps(
    model: Model, method: Method, task: Passkey, work: _Work, where: tuple[int, int],
    cases: dict[tuple[int, int], KeyCase], chunk: Chunk,
) -> Generator[GridProgress, None, None]:  # fmt: skip
    """All missing trials of one method and one length: prompts that begin alike are read together."""
    places = work.missing(*where)
    steps: Steps = task.steps(model, method, [cases[place] for place in places], chunk)
    try:
        for step in steps:
            place = None
            if step.result is not None:
                depth, trial = places[step.result.case]
                place = (*where, depth, trial)
                work.found[place] = step.result.scores["found"]
                work.said[place] = step.result.said
                work.expected[place[1:]] = cases[depth, trial].answers[0]
            yield replace(work.at(*where), done=step.done, total=step.total, result=place)
    except LongSightError as problem:
        yield replace(work.at(*where), done=1, problem=str(problem))
    finally:
        steps.close()
