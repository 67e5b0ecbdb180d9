"""Looking at texts through a panel: step by step, with a word on progress, and remembered for the next look."""

import contextlib
import hashlib
import threading
import weakref
from collections import OrderedDict
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

from longsight.errors import LongSightError
from longsight.methods import Method
from longsight.models.model import Model
from longsight.progress import finish

from .panels import DEFAULT, Panel, PanelOptions, Records
from .probing import Probing
from .reading import chosen

R = TypeVar("R")

MOST_BYTES = 256 * 2**20


@dataclass(frozen=True, eq=False)
class Text:
    """A text by its name, as token ids (n,) of the model that reads it."""

    name: str
    ids: np.ndarray


@dataclass(frozen=True)
class Looking:
    """Tokens done of all that have to be read, and what is being done.

    `records` makes what is known so far of the text being read; None where that is nothing that could be drawn.
    """

    done: int
    total: int
    doing: str = "reading"
    records: Callable[[], Records] | None = None


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
    choice: PanelOptions = DEFAULT,
    remembered: Remembered | None = None,
    chunk: int = 512,
) -> Generator[Looking, None, Records]:
    """Read the texts under `method` with the panel's probes; returns the panel's records.

    What was read before comes from `remembered`. Closing the generator stops the work. Raises `LongSightError` on more
    texts than the panel shows, and on choices that the model or the text does not offer.
    """
    check_texts(panel, texts)
    if choice.heads is not None:
        chosen("head", choice.heads, model.hf.config.num_attention_heads - 1, model.name)
    remembered = Remembered(0) if remembered is None else remembered
    end = _concluded_key(model, texts, method, panel, choice)
    if (records := remembered.get(end)) is not None:
        return records
    total = sum(method.keeps(len(text.ids)) for text in texts)
    measured: list[Records] = []
    before = 0
    for text in texts:
        key = _key(model, text, method, panel, choice)
        records = remembered.get(key)
        if records is None:
            probing = Probing(model, text.ids, method, panel.probes(choice), choice.most)
            for step in probing.steps(chunk):
                yield Looking(before + step.done, total, records=None if panel.concludes else probing.records)
            records = probing.records()
            remembered.put(key, records)
        before += method.keeps(len(text.ids))
        measured.append(records)
    with contextlib.closing(panel.conclude(measured, [text.name for text in texts], choice)) as conclusion:
        while True:
            try:
                yield Looking(before, total, next(conclusion))
            except StopIteration as finished:
                remembered.put(end, finished.value)
                return finished.value


def look(
    model: Model, texts: Sequence[Text], method: Method, panel: Panel, choice: PanelOptions = DEFAULT, chunk: int = 512
) -> Records:
    """`look_steps` run to its end."""
    return finish(look_steps(model, texts, method, panel, choice, chunk=chunk))


def known(
    model: Model, texts: Sequence[Text], method: Method, panel: Panel, choice: PanelOptions, remembered: Remembered
) -> bool:
    """Whether `look_steps` would return at once."""
    return remembered.get(_concluded_key(model, texts, method, panel, choice)) is not None


def check_texts(panel: Panel, texts: Sequence[Text]) -> None:
    """Raise `LongSightError` unless the panel can show so many texts at once."""
    if not 1 <= len(texts) <= panel.texts:
        most = "one text" if panel.texts == 1 else f"1 to {panel.texts} texts"
        raise LongSightError(f"{panel.title} shows {most} at once, but {len(texts)} were given.")


def _key(model: Model, text: Text, method: Method, panel: Panel, choice: PanelOptions) -> tuple[Any, ...]:
    digest = hashlib.sha256(np.ascontiguousarray(text.ids, dtype=np.int64).tobytes()).digest()
    asked = tuple(getattr(choice, name) for name in ("most", "cells", *panel.measures))
    return weakref.ref(model.hf), digest, method, panel.key, asked


def _concluded_key(
    model: Model, texts: Sequence[Text], method: Method, panel: Panel, choice: PanelOptions
) -> tuple[Any, ...]:
    """The same as `_key` where there is nothing to conclude."""
    keys = tuple(_key(model, text, method, panel, choice) for text in texts)
    if not panel.concludes:
        return keys[0]
    names = tuple(text.name for text in texts)
    return keys, names, tuple(getattr(choice, name) for name in panel.concludes)
