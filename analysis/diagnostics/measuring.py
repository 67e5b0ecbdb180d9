"""Texts read and measured for a panel: step by step, with progress, and results cached for the next time."""

import hashlib
import threading
import weakref
from collections import OrderedDict
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from longsight.errors import LongSightError
from longsight.generation.prefill import Chunk
from longsight.methods import Method
from longsight.models.model import Model
from longsight.progress import Progress, mapped

from .base import Panel, Records
from .options import DEFAULT, PanelOptions
from .probing import Probing
from .reading import chosen

MOST_BYTES = 256 * 2**20

PartialRecords = Progress[Callable[[], Records]]
"""Tokens done of all that have to be read; `result` makes the records of what is known so far of the text being read,
None where that is nothing that could be drawn."""


@dataclass(frozen=True, eq=False)
class Text:
    """A text by its name, as token ids (n,) of the model that reads it."""

    name: str
    ids: np.ndarray


class ResultCache:
    """The latest results of measurements, up to `most` bytes of arrays; the one unused for longest goes first."""

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


def measure_steps(
    model: Model,
    texts: Sequence[Text],
    method: Method,
    panel: Panel,
    options: PanelOptions = DEFAULT,
    cache: ResultCache | None = None,
    chunk: Chunk = 512,
) -> Generator[PartialRecords, None, Records]:
    """Read the texts under `method` with the panel's probes; returns the panel's records.

    What was read before comes from `cache`. Closing the generator stops the work. Raises `LongSightError` on more texts
    than the panel shows, and on options that the model or the text does not offer.
    """
    check_texts(panel, texts)
    if options.heads is not None:
        chosen("head", options.heads, model.hf.config.num_attention_heads - 1, model.name)
    cache = ResultCache(0) if cache is None else cache
    end = _concluded_key(model, texts, method, panel, options)
    if (records := cache.get(end)) is not None:
        return records
    total = sum(method.keeps(len(text.ids)) for text in texts)
    measured: list[Records] = []
    done = 0
    for text in texts:
        measured.append((yield from _read_steps(model, text, method, panel, options, cache, chunk, done, total)))
        done += method.keeps(len(text.ids))
    conclusion = panel.conclude(measured, [text.name for text in texts], options.only(panel.concludes))
    records = yield from mapped(conclusion, lambda doing: Progress(done, total, doing))
    cache.put(end, records)
    return records


def _read_steps(
    model: Model, text: Text, method: Method, panel: Panel, options: PanelOptions, cache: ResultCache, chunk: Chunk,
    before: int, total: int,
) -> Generator[PartialRecords, None, Records]:  # fmt: skip
    """Measure one text, unless that was done before."""
    key = _key(model, text, method, panel, options)
    if (records := cache.get(key)) is not None:
        return records
    seen = options.only(panel.measures)
    probing = Probing(model, text.ids, method, panel.probes(seen), seen.most_queries)
    for step in probing.steps(chunk):
        yield Progress(before + step.done, total, result=None if panel.concludes else probing.records)
    records = probing.records()
    cache.put(key, records)
    return records


def is_cached(
    model: Model, texts: Sequence[Text], method: Method, panel: Panel, options: PanelOptions, cache: ResultCache
) -> bool:
    """Whether `measure_steps` would return at once."""
    return cache.get(_concluded_key(model, texts, method, panel, options)) is not None


def check_texts(panel: Panel, texts: Sequence[Text]) -> None:
    """Raise `LongSightError` unless the panel can show so many texts at once."""
    if not 1 <= len(texts) <= panel.texts:
        most = "one text" if panel.texts == 1 else f"1 to {panel.texts} texts"
        raise LongSightError(f"{panel.title} shows {most} at once, but {len(texts)} were given.")


def _key(model: Model, text: Text, method: Method, panel: Panel, options: PanelOptions) -> tuple[Any, ...]:
    digest = hashlib.sha256(np.ascontiguousarray(text.ids, dtype=np.int64).tobytes()).digest()
    asked = tuple(getattr(options, name) for name in panel.measures)
    return weakref.ref(model.hf), digest, method, panel.key, asked


def _concluded_key(
    model: Model, texts: Sequence[Text], method: Method, panel: Panel, options: PanelOptions
) -> tuple[Any, ...]:
    """The same as `_key` where there is nothing to conclude."""
    keys = tuple(_key(model, text, method, panel, options) for text in texts)
    if not panel.concludes:
        return keys[0]
    names = tuple(text.name for text in texts)
    return keys, names, tuple(getattr(options, name) for name in panel.concludes)
