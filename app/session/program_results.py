"""What programs are told: plain data with names, units in words, and None where nothing is known."""

import json
from collections.abc import Sequence
from typing import Any, TypedDict

import numpy as np

from analysis.diagnostics.comparing import Side
from analysis.diagnostics.distance_map import DistanceMap
from analysis.export.files import file_of
from analysis.export.records import Column, Record
from analysis.runs import Run
from app.session import distance_maps, document_loading, side_by_side
from app.session.answer_view import judged
from app.session.answers import Answer
from app.session.distance_maps import MethodMaps
from app.session.measurement_request import Measurement
from app.session.sessions import Session
from app.session.shown_grid import ShownGrid
from app.session.verdicts import Verdict
from longsight.models.model import Model


class DocumentResult(TypedDict):
    """A text that was taken in; `form` and `note`: what the file was, and what of it was left out."""

    name: str
    bytes: int
    form: str
    note: str
    characters: int
    tokens: int
    train_length: int


class AnswerResult(TypedDict):
    """What one method answered; `method` is the text that names it with its parameters. `state` is waiting, reading,
    writing, done, stopped or failed, and `error` says why it failed. `verdict` and `why`: what it amounts to when done.
    """

    method: str
    label: str
    state: str
    text: str
    verdict: str
    why: str
    error: str
    tokens_read: int
    tokens_reused: int
    seconds_reading: float
    tokens_written: int
    seconds_writing: float
    cache_bytes: int


class AskResult(TypedDict):
    """`doing`: what is being done; empty once all is done."""

    doing: str
    document: DocumentResult | None
    answers: list[AnswerResult]


class ArrayResult(TypedDict):
    """An array of a record. `mean`, `low` and `high` are of its finite numbers; `values` None where not asked for."""

    name: str
    axes: list[str]
    shape: list[int]
    meaning: str
    unit: str
    mean: float | None
    low: float | None
    high: float | None
    values: list[Any] | None


class RecordResult(TypedDict):
    name: str
    arrays: list[ArrayResult]


class MeasuredResult(TypedDict):
    """One method's measurement; `state` as of an answer."""

    method: str
    label: str
    state: str
    error: str
    tokens_read: int
    seconds: float
    records: list[RecordResult]


class LookResult(TypedDict):
    doing: str
    document: DocumentResult | None
    runs: list[MeasuredResult]


class KeysResult(TypedDict):
    """`found`: for each length and depth, the share of keys found; None where none was asked for yet."""

    method: str
    label: str
    error: str
    trials_done: int
    found: list[list[float | None]]


class PasskeyResult(TypedDict):
    """`depths` from 0, the beginning, to 1."""

    doing: str
    document: DocumentResult | None
    lengths: list[int]
    depths: list[float]
    trials: int
    runs: list[KeysResult]


class MapResult(TypedDict):
    """A method seen from above: `small` in full, `true` as of a text of `tokens`. `said`: what there is to see."""

    method: str
    label: str
    tokens: int
    train_length: int
    said: str
    small: RecordResult
    true: RecordResult


class MapsResult(TypedDict):
    maps: list[MapResult]


def document_result(session: Session, model: Model) -> DocumentResult | None:
    document = session.document
    if document is None:
        return None
    return {
        "name": document.name, "bytes": document.nbytes, "form": document.form, "note": document.note,
        "characters": len(document.text), "tokens": document_loading.token_count(session, model),
        "train_length": model.train_length,
    }  # fmt: skip


def named(model: Model, run: Run) -> str:
    """The text that names a run's method with its parameters."""
    return side_by_side.write(model, [run.method], model.train_length)


def ask_result(session: Session, model: Model, doing: str = "") -> AskResult:
    """The answers to the last question."""
    turns = session.turns[-1:]
    return {
        "doing": doing,
        "document": document_result(session, model),
        "answers": [_answer(model, cell, judged(cell, turn)) for turn in turns for cell in turn.cells],
    }


def _answer(model: Model, cell: Answer, found: Verdict) -> AnswerResult:
    return {
        "method": named(model, cell.run), "label": cell.run.label, "state": cell.state, "text": cell.text,
        "verdict": found.word, "why": found.why, "error": cell.error,
        "tokens_read": cell.done, "tokens_reused": cell.reused, "seconds_reading": round(cell.read_seconds, 4),
        "tokens_written": cell.written, "seconds_writing": round(cell.write_seconds, 4),
        "cache_bytes": cell.cache_bytes,
    }  # fmt: skip


def look_result(session: Session, model: Model, doing: str = "", whole: bool = False) -> LookResult:
    """The measurement that the session has; `whole`: with every number."""
    mine = session.measurement
    runs = [] if mine is None else [_measured(model, mine, side, whole) for side in mine.sides]
    return {"doing": doing, "document": document_result(session, model), "runs": runs}


def _measured(model: Model, mine: Measurement, side: Side, whole: bool) -> MeasuredResult:
    names = mine.request.panel.names(mine.request.options)
    return {
        "method": named(model, side.run), "label": side.run.label, "state": side.state, "error": side.error,
        "tokens_read": side.done, "seconds": round(side.seconds, 4),
        "records": [record_result(*each, whole) for each in zip(names, side.records or (), strict=False)],
    }  # fmt: skip


def passkey_result(session: Session, model: Model, mine: ShownGrid | None, doing: str = "") -> PasskeyResult:
    grid = None if mine is None else mine.grid
    return {
        "doing": doing,
        "document": document_result(session, model),
        "lengths": [] if grid is None else grid.length.tolist(),
        "depths": [] if grid is None else grid.depth.tolist(),
        "trials": 0 if grid is None else len(grid.trial),
        "runs": [] if mine is None else [_keys(model, mine, number) for number in range(len(mine.grid.method))],
    }


def _keys(model: Model, mine: ShownGrid, number: int) -> KeysResult:
    run, found = mine.grid.runs()[number], mine.grid.found[number]
    done = np.isfinite(found).sum(-1)
    shares = np.nansum(found, -1) / np.maximum(done, 1)
    return {
        "method": named(model, run), "label": run.label, "error": mine.problems.get(run.id, ""),
        "trials_done": int(done.sum()),
        "found": [
            [share if count else None for share, count in zip(*line, strict=True)]
            for line in zip(shares.tolist(), done.tolist(), strict=True)
        ],
    }  # fmt: skip


def maps_result(model: Model, maps: Sequence[tuple[Run, MethodMaps]], whole: bool) -> MapsResult:
    return {"maps": [_map(model, run, both.small, both.true, whole) for run, both in maps]}


def _map(model: Model, run: Run, small: DistanceMap, true: DistanceMap, whole: bool) -> MapResult:
    return {
        "method": named(model, run), "label": run.label, "tokens": true.n, "train_length": true.train_length,
        "said": distance_maps.what_to_see(true), "small": record_result("small", small, True),
        "true": record_result("true", true, whole),
    }  # fmt: skip


def record_result(name: str, record: Record, whole: bool) -> RecordResult:
    """A record with what its arrays are; `whole`: with their values as well."""
    values = json.loads(file_of(record, "json"))["arrays"] if whole else {}
    return {
        "name": name,
        "arrays": [_array(column, values[column.name]["values"] if whole else None) for column in record.columns()],
    }


def _array(column: Column, values: list[Any] | None) -> ArrayResult:
    numbers = column.values[np.isfinite(column.values)] if column.values.dtype.kind in "fiub" else np.array([])
    mean, low, high = (float(of(numbers)) if numbers.size else None for of in (np.mean, np.min, np.max))
    return {
        "name": column.name, "axes": list(column.axes), "shape": list(column.values.shape), "meaning": column.meaning,
        "unit": column.unit, "mean": mean, "low": low, "high": high, "values": values,
    }  # fmt: skip
