"""Keys found by length and depth, for one method: what passkey grids are drawn from."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..export.records import Record, array, value
from .score_table import label_of


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
