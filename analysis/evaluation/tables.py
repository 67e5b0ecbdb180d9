"""What results say: tables of scores by method and length, and passkey grids. Rows in, records out."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from longsight.methods import METHODS

from ..records import Record, array, value
from .row import Row
from .tasks.passkey import KeyFacts

CellNumber = Callable[[Row], float | None]
"""The one number of a cell that a table shows."""


@dataclass(frozen=True, eq=False)
class ScoreTable(Record):
    """One number by method and length; NaN where no such cell was run, or where it was refused."""

    model: str = value("name of the model")
    task: str = value("the task with its options")
    score: str = value("what the numbers are")
    train_length: int = value("length of the model's training", "tokens")
    method: np.ndarray = array("method", "key of the method in METHODS")
    label: np.ndarray = array("method", "the method, with parameters where they were chosen")
    length: np.ndarray = array("length", "length of the text", "tokens")
    value: np.ndarray = array("method length", "the number")
    cases: np.ndarray = array("method length", "number of cases that it is the mean of", "cases")


@dataclass(frozen=True, eq=False)
class GridRecord(Record):
    """Keys found by one method, by the length of the text and the depth of the key."""

    model: str = value("name of the model")
    task: str = value("the task with its options")
    method: str = value("key of the method in METHODS")
    label: str = value("the method, with parameters where they were chosen")
    train_length: int = value("length of the model's training", "tokens")
    length: np.ndarray = array("length", "length of the text", "tokens")
    depth: np.ndarray = array("depth", "depth of the key: 0 at the beginning, 1 at the end")
    reach: np.ndarray = array("length", "longest text with familiar distances only; infinite without limit", "tokens")
    sight: np.ndarray = array("length", "longest text that is seen whole; infinite without limit", "tokens")
    found: np.ndarray = array("depth length", "number of keys found", "keys")
    trials: np.ndarray = array("depth length", "number of keys asked for", "keys")

    @property
    def share(self) -> np.ndarray:
        """(depth length) share of keys found; NaN where none was asked for."""
        return self.found / np.where(self.trials, self.trials, np.nan)


@dataclass(frozen=True)
class Trial:
    """One answered key, and the limits of the method that answered it (None: none)."""

    length: int
    depth: float
    found: bool
    reach: int | None
    sight: int | None


def label_of(text: str) -> str:
    """A method as text, for people: its title, and the parameters that were chosen."""
    key, _, values = text.partition(":")
    return f"{METHODS[key].title} ({values.replace(',', ', ')})" if values else METHODS[key].title


def of_task(rows: Iterable[Row], key: str) -> dict[tuple[str, str, int, int], list[Row]]:
    """The rows of a task by task with its options, model, trials and seed: what one table is made of."""
    groups: dict[tuple[str, str, int, int], list[Row]] = {}
    for row in rows:
        if row.task.key == key:
            like = row.task.text, row.model.name, row.trials, row.seed
            groups.setdefault(like, []).append(row)
    return groups


def score_table(rows: Sequence[Row], score: str, number: CellNumber) -> ScoreTable:
    """A table of rows of one model and one task. Methods come in the order of METHODS."""
    texts = sorted({row.method.text for row in rows}, key=_order)
    lengths = sorted({row.length for row in rows})
    values, cases = np.full((len(texts), len(lengths)), np.nan), np.zeros((len(texts), len(lengths)), dtype=np.int64)
    for row in rows:
        at = texts.index(row.method.text), lengths.index(row.length)
        found = None if row.refused else number(row)
        values[at] = np.nan if found is None else found
        cases[at] = len(row.cases)
    return ScoreTable(
        model=rows[0].model.name,
        task=rows[0].task.text,
        score=score,
        train_length=rows[0].model.train_length,
        method=np.array([text.partition(":")[0] for text in texts]),
        label=np.array([label_of(text) for text in texts]),
        length=np.array(lengths),
        value=values,
        cases=cases,
    )


def mean_bands(row: Row) -> np.ndarray:
    """(band) NLL [nats], mean over the cases of a perplexity cell; NaN where nothing was read."""
    read = [(case.more or {})["bands"] for case in row.cases]
    bands = np.array([[math.nan if mean is None else mean for mean in means] for means in read])
    known = np.isfinite(bands)
    return np.where(known, bands, 0).sum(0) / np.where(known.any(0), known.sum(0), math.nan)


def grid_records(rows: Sequence[Row]) -> list[GridRecord]:
    """A grid for each method of passkey rows of one model and one task."""
    methods: dict[str, list[Row]] = {}
    for row in rows:
        if row.refused is None:
            methods.setdefault(row.method.text, []).append(row)
    return [_grid(text, methods[text]) for text in sorted(methods, key=_order)]


def _grid(text: str, rows: Sequence[Row]) -> GridRecord:
    trials = [
        Trial(row.length, KeyFacts.model_validate(case.facts).depth, bool(case.scores["found"]), row.method.reach,
              row.method.sight)
        for row in rows
        for case in row.cases
    ]  # fmt: skip
    model = rows[0].model
    return grid_record(model.name, rows[0].task.text, text, model.train_length, trials)


def grid_record(model: str, task: str, method: str, train_length: int, trials: Sequence[Trial]) -> GridRecord:
    """The grid of some trials of one method, given as text; lengths and depths are those that occur."""
    lengths, depths = sorted({trial.length for trial in trials}), sorted({trial.depth for trial in trials})
    found, asked = (
        np.zeros((len(depths), len(lengths)), dtype=np.int64),
        np.zeros((len(depths), len(lengths)), np.int64),
    )
    limits = np.full((2, len(lengths)), math.inf)
    for trial in trials:
        column = lengths.index(trial.length)
        at = depths.index(trial.depth), column
        found[at] += trial.found
        asked[at] += 1
        limits[:, column] = [math.inf if limit is None else limit for limit in (trial.reach, trial.sight)]
    return GridRecord(
        model=model,
        task=task,
        method=method.partition(":")[0],
        label=label_of(method),
        train_length=train_length,
        length=np.array(lengths, dtype=np.int64),
        depth=np.array(depths, dtype=np.float64),
        reach=limits[0],
        sight=limits[1],
        found=found,
        trials=asked,
    )


def _order(text: str) -> tuple[int, list[tuple[str, float]]]:
    """The place of a method as text: as in METHODS, and by the numbers of its parameters."""
    key, _, values = text.partition(":")
    pairs = [pair.partition("=") for pair in values.split(",") if pair]
    return list(METHODS).index(key), [(name, float(number)) for name, _, number in pairs]
