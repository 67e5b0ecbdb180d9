"""Scores by method and length: rows in, a table of numbers out, and that table in words."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from longsight.methods import METHODS

from ..export.records import Record, array, value
from ..runs import typed
from .report_parts import ReportTable
from .row import Row

CellNumber = Callable[[Row], float | None]
"""The one number of a cell that a table shows."""


@dataclass(frozen=True, eq=False)
class ScoreTable(Record):
    """One number by method and length; NaN where no such cell was run, or where it was refused.

    A method may stand in it several times, with other parameters.
    """

    model: str = value("name of the model")
    task: str = value("the task with its options")
    score: str = value("what the numbers are")
    train_length: int = value("length of the model's training", "tokens")
    method: np.ndarray = array("method", "key of the method in METHODS")
    text: np.ndarray = array("method", "the method as text")
    label: np.ndarray = array("method", "the method, with parameters where they were chosen")
    length: np.ndarray = array("length", "length of the text", "tokens")
    value: np.ndarray = array("method length", "the number")
    cases: np.ndarray = array("method length", "number of cases that it is the mean of", "cases")


def label_of(text: str) -> str:
    """A method as text, for people: its title, and the parameters that were chosen."""
    key, _, values = text.partition(":")
    return f"{METHODS[key].title} ({', '.join(typed.cut(values, ','))})" if values else METHODS[key].title


def titled(title: str, task: str, model: str) -> str:
    """What a report calls results of a task, given as text, of a model: with the options that were chosen."""
    _, _, options = task.partition(":")
    return f"{title} ({', '.join(typed.cut(options, ','))}): {model}" if options else f"{title}: {model}"


def comparable(rows: Iterable[Row]) -> list[list[Row]]:
    """The rows of one task in groups, each of which one table is made of: of the same options, model, trials and seed.

    A group in which no cell is finished is left out.
    """
    groups: dict[tuple[str, str, int, int], list[Row]] = {}
    for row in rows:
        groups.setdefault((row.task.text, row.model.name, row.trials, row.seed), []).append(row)
    return [group for group in groups.values() if any(row.refused is None for row in group)]


def score_table(rows: Sequence[Row], score: str, number: CellNumber) -> ScoreTable:
    """A table of rows of one model and one task. Methods come in the order of METHODS."""
    texts = sorted({row.method.text for row in rows}, key=method_order)
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
        text=np.array(texts),
        label=np.array([label_of(text) for text in texts]),
        length=np.array(lengths),
        value=values,
        cases=cases,
    )


def method_order(text: str) -> tuple[int, list[tuple[str, float, str]]]:
    """The place of a method as text: as in METHODS, and by the numbers and texts of its parameters."""
    key, values = typed.named(text)
    return list(METHODS).index(key), [
        (name, 0.0, value) if value.startswith(typed.QUOTE) else (name, float(value), "")
        for name, value in values.items()
    ]


def score_of(name: str) -> CellNumber:
    """The mean of a score over the cases of a cell."""
    return lambda row: row.scores.get(name)


def least_cost(row: Row, name: str) -> float:
    """The least of the cases: what else the machine does only ever adds to it."""
    return min(float(cost[name]) for cost in row.run.cost)


def in_words(table: ScoreTable, caption: str, write: Callable[[float], str]) -> ReportTable:
    """The table in words: a dash where nothing is known."""
    head = ("method", *(f"{length:,}" for length in table.length))
    body = tuple(
        (str(label), *("-" if math.isnan(value) else write(value) for value in values))
        for label, values in zip(table.label, table.value, strict=True)
    )
    return ReportTable(caption, head, body)


def count_cases(rows: Sequence[Row]) -> str:
    """How many cases stand behind each number."""
    counts = sorted({len(row.cases) for row in rows if not row.refused})
    few = " to ".join(str(count) for count in dict.fromkeys((counts[0], counts[-1])))
    return "1 case" if few == "1" else f"{few} cases"


def three_digits(value: float) -> str:
    """A number as it stands in a table."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def percent(share: float) -> str:
    """A share as it stands in a table."""
    return f"{share:.0%}"
