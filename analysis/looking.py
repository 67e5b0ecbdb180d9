"""Looking at texts through a panel: step by step, with a word on progress, and remembered for the next look."""

import hashlib
import threading
import weakref
from collections import OrderedDict
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from analysis.panels import DEFAULT, Choice, Panel, Records
from analysis.probes.probing import Probing
from engine.errors import LongSightError
from engine.methods import Method
from engine.models import Model

MOST_BYTES = 256 * 2**20


@dataclass(frozen=True, eq=False)
class Text:
    """A text by its name, as token ids (n,) of the model that reads it."""

    name: str
    ids: np.ndarray


@dataclass(frozen=True)
class Looking:
    """Tokens done of all that have to be read; `records` makes what is known so far of the text being read."""

    done: int
    total: int
    records: Callable[[], Records]


class Remembered:
    """The latest results of readings, up to `most` bytes of arrays; the one unused for longest goes first."""

    def __init__(self, most: int = MOST_BYTES) -> None:
        self.most = most
        self._kept: OrderedDict[Any, Records] = OrderedDict()
        self._guard = threading.Lock()

    def get(self, key: Any) -> Records | None:
        with self._guard:
            if key in self._kept:
                self._kept.move_to_end(key)
            return self._kept.get(key)

    def put(self, key: Any, records: Records) -> None:
        with self._guard:
            self._kept[key] = records
            self._kept.move_to_end(key)
            while self._kept and self._nbytes() > self.most:
                self._kept.popitem(last=False)

    @property
    def nbytes(self) -> int:
        with self._guard:
            return self._nbytes()

    def clear(self) -> None:
        with self._guard:
            self._kept.clear()

    def _nbytes(self) -> int:
        return sum(nbytes(records) for records in self._kept.values())


def nbytes(records: Records) -> int:
    """Bytes that the arrays of these records take."""
    return sum(getattr(record, spec.name).nbytes for record in records for spec in record.arrays())


def look_steps(
    model: Model,
    texts: Sequence[Text],
    method: Method,
    panel: Panel,
    choice: Choice = DEFAULT,
    remembered: Remembered | None = None,
    chunk: int = 512,
) -> Generator[Looking, None, Records]:
    """Read the texts under `method` with the panel's probes; returns the panel's records.

    What was read before comes from `remembered`. Closing the generator stops the work. Raises `LongSightError` on more
    texts than the panel shows, and on choices that the model or the text does not offer.
    """
    if not 1 <= len(texts) <= panel.texts:
        most = "one text" if panel.texts == 1 else f"1 to {panel.texts} texts"
        raise LongSightError(f"{panel.title} shows {most} at once, but {len(texts)} were given.")
    total = sum(method.keeps(len(text.ids)) for text in texts)
    measured: list[Records] = []
    before = 0
    for text in texts:
        key = _key(model, text, method, panel, choice)
        records = None if remembered is None else remembered.get(key)
        if records is None:
            probing = Probing(model, text.ids, method, panel.probes(choice), choice.most)
            for step in probing.steps(chunk):
                yield Looking(before + step.done, total, probing.records)
            records = probing.records()
            if remembered is not None:
                remembered.put(key, records)
        before += method.keeps(len(text.ids))
        measured.append(records)
    return panel.conclude(measured, [text.name for text in texts], choice)


def look(
    model: Model, texts: Sequence[Text], method: Method, panel: Panel, choice: Choice = DEFAULT, chunk: int = 512
) -> Records:
    """`look_steps` run to its end."""
    steps = look_steps(model, texts, method, panel, choice, chunk=chunk)
    while True:
        try:
            next(steps)
        except StopIteration as finished:
            return finished.value


DRAWN_ONLY: dict[str, Any] = {"smoothing": 64, "projection": "pca", "axes": 2, "mark": None}
"""Choices that change the drawing and not what is measured."""


def _key(model: Model, text: Text, method: Method, panel: Panel, choice: Choice) -> tuple[Any, ...]:
    digest = hashlib.sha256(np.ascontiguousarray(text.ids, dtype=np.int64).tobytes()).digest()
    return weakref.ref(model.hf), digest, method, panel.key, replace(choice, **DRAWN_ONLY)
