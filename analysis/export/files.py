"""Records as files for other programs: CSV for spreadsheets, NPZ for numpy, JSON for everything else.

All three carry names, axes and units. NPZ and JSON are read back; what loses nothing whatever the type is NPZ.
"""

import csv
import io
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from pydantic import BaseModel, ConfigDict, JsonValue, ValidationError

from longsight.errors import LongSightError

from .records import Column, Record

R = TypeVar("R", bound=Record)

MOST_TEXT = 100_000_000
"""Bytes of one array of texts: numpy gives each the room of the longest."""

HEADER = "record"
"""The entry of an NPZ file that holds the single values and the description of the arrays, as JSON."""


def to_csv(record: Record) -> str:
    """One row per cell of the record's largest array, smaller arrays repeated along it; an undefined number is empty.

    Single values stand in front as `# name: value` lines. Raises `LongSightError` when no array spans the axes of all.
    """
    columns = record.columns()
    axes = max((column.axes for column in columns), key=len)
    stray = [column.name for column in columns if not set(column.axes) <= set(axes)]
    if stray:
        raise LongSightError(
            f"{type(record).__name__} is no single table: {', '.join(stray)} has axes besides ({', '.join(axes)}). "
            "Save it as NPZ or JSON."
        )
    shape = next(column.values.shape for column in columns if column.axes == axes)
    cells = [np.broadcast_to(_along(column, axes), shape).ravel() for column in columns]
    index = [axis.ravel() for axis in np.indices(shape)]
    text = io.StringIO()
    for name, single in _single_values(record).items():
        text.write(f"# {name}: {json.dumps(single, ensure_ascii=False)}\n")
    writer = csv.writer(text)  # ends lines as RFC 4180 has it; with another end, a lone \r in a text would go unquoted
    writer.writerow([f"{axis} index" for axis in axes] + [_heading(column) for column in columns])
    writer.writerows(zip(*(_plain(values) for values in index + cells), strict=True))
    return text.getvalue()


def to_json(record: Record) -> str:
    """The single values, and every array with its axes, meaning and unit; an undefined number is null."""
    arrays = {
        column.name: _description(column) | {"values": _without_nan(column.values.tolist())}
        for column in record.columns()
    }
    return json.dumps({HEADER: type(record).__name__, **_single_values(record), "arrays": arrays}, ensure_ascii=False)


def to_npz(record: Record) -> bytes:
    """The arrays, compressed, and beside them an entry of JSON with everything else; `from_npz` reads it back."""
    header = {
        HEADER: type(record).__name__,
        "values": _single_values(record),
        "arrays": {column.name: _description(column) for column in record.columns()},
    }
    arrays: dict[str, Any] = {spec.name: getattr(record, spec.name) for spec in record.arrays()}
    buffer = io.BytesIO()
    arrays[HEADER] = np.array(json.dumps(header, ensure_ascii=False))
    np.savez_compressed(buffer, **arrays)
    return buffer.getvalue()


def from_npz(kind: type[R], source: bytes | Path) -> R:
    """The record of type `kind` that `to_npz` wrote; never unpickles. Raises `LongSightError` for another type."""
    with np.load(io.BytesIO(source) if isinstance(source, bytes) else source, allow_pickle=False) as entries:
        header = json.loads(str(entries[HEADER]))
        if header[HEADER] != kind.__name__:
            raise LongSightError(f"A {kind.__name__} was asked for, but the file holds a {header[HEADER]}.")
        arrays = {spec.name: entries[spec.name] for spec in kind.arrays()}
    singles = {name: _hashable(v) for name, v in header["values"].items()}
    return kind(**arrays, **singles)


def from_json(kind: type[R], text: str | bytes) -> R:
    """The record of type `kind` that `to_json` wrote, a null being an undefined number.

    Raises `LongSightError`, in one sentence, on anything else: the file may come from anyone.
    """
    try:
        told = SavedRecord.model_validate_json(text)
        if told.record != kind.__name__:
            raise LongSightError(f"A {kind.__name__} was asked for, but the file holds a {told.record[:40]}.")
        arrays = {spec.name: _with_nan(told.arrays[spec.name].values) for spec in kind.arrays()}
        singles = {spec.name: _hashable(told.singles[spec.name]) for spec in kind.values()}
    except ValidationError as problem:
        first = problem.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"])) or "the whole"
        raise LongSightError(f"The file is no {kind.__name__} in JSON: {where}: {first['msg'][:200]}.") from None
    except KeyError as problem:
        raise LongSightError(f"The file is no {kind.__name__} in JSON: it has no {problem.args[0]!r}.") from problem
    except (ValueError, OverflowError) as problem:
        raise LongSightError(f"The file is no {kind.__name__} in JSON: {problem}.") from problem
    return kind(**arrays, **singles)


class SavedArray(BaseModel):
    """An array as `to_json` wrote it; what it says of axes and units is the type's own affair."""

    values: list[JsonValue]


class SavedRecord(BaseModel):
    """A file of `to_json`. The single values are whatever else stands in it."""

    model_config = ConfigDict(extra="allow")

    record: str
    arrays: dict[str, SavedArray]

    @property
    def singles(self) -> Mapping[str, JsonValue]:
        return self.model_extra or {}


FORMATS: dict[str, Callable[[Record], bytes]] = {
    "npz": to_npz,
    "csv": lambda record: to_csv(record).encode(),
    "json": lambda record: to_json(record).encode(),
}
"""A record as the bytes of a file, by the file's ending."""


def read_formats(text: str) -> list[str]:
    """Endings as they are typed, with commas. Raises `LongSightError` on one that is none of `FORMATS`."""
    names = [name.strip() for name in text.split(",") if name.strip()]
    unknown = [name for name in names if name not in FORMATS]
    if unknown or not names:
        raise LongSightError(
            f"There is no format {', '.join(map(repr, unknown)) or 'named'}; there are {', '.join(FORMATS)}."
        )
    return list(dict.fromkeys(names))


def file_of(record: Record, ending: str) -> bytes:
    """The record as a file. Raises `LongSightError` on an ending that is none of `FORMATS`."""
    if ending not in FORMATS:
        raise LongSightError(f"There is no format {ending!r}; there are {', '.join(FORMATS)}.")
    return FORMATS[ending](record)


def save_as(record: Record, folder: Path, name: str, endings: Iterable[str]) -> None:
    """The record as files NAME.ENDING in a folder."""
    for ending in endings:
        (folder / f"{name}.{ending}").write_bytes(file_of(record, ending))


def _single_values(record: Record) -> dict[str, Any]:
    return {spec.name: getattr(record, spec.name) for spec in record.values()}


def _description(column: Column) -> dict[str, Any]:
    return {"axes": column.axes, "meaning": column.meaning, "unit": column.unit}


def _heading(column: Column) -> str:
    return f"{column.name} [{column.unit}]" if column.unit else column.name


def _along(column: Column, axes: tuple[str, ...]) -> np.ndarray:
    """The column's values with its axes in the order of `axes`, and length 1 along those that it does not have."""
    ordered = column.values.transpose([column.axes.index(axis) for axis in axes if axis in column.axes])
    return np.expand_dims(ordered, [place for place, axis in enumerate(axes) if axis not in column.axes])


def _plain(values: np.ndarray) -> Iterator[Any]:
    if values.dtype.kind != "f":
        return iter(values.tolist())
    return ("" if v != v else int(v) if v.is_integer() else v for v in values.tolist())


def _without_nan(values: Any) -> Any:
    if isinstance(values, list):
        return [_without_nan(v) for v in values]
    return None if values != values else values


def _with_nan(values: Any) -> np.ndarray:
    """What `_without_nan` was given, as an array. Raises ValueError on a mixture."""
    given = np.array(values, dtype=object)
    undefined = np.vectorize(lambda v: v is None, otypes=[bool])(given)
    kinds = {type(v) for v in given[~undefined].tolist()}
    if kinds <= {int, float} and (undefined.any() or float in kinds):
        return np.where(undefined, np.nan, given).astype(np.float64)
    if len(kinds) > 1 or kinds & {list, dict} or undefined.any():
        found = sorted([kind.__name__ for kind in kinds] + ["nothing"] * bool(undefined.any()))
        raise ValueError(f"an array holds a mixture of {', '.join(found)}")
    if kinds == {str} and (room := 4 * given.size * max(map(len, given.flat))) > MOST_TEXT:
        raise ValueError(f"an array of texts would take {room:,} bytes; up to {MOST_TEXT:,} are read")
    return given.astype({int: np.int64, bool: np.bool_}.get(next(iter(kinds), str), np.str_))


def _hashable(told: Any) -> Any:
    """Single values are tuples where JSON has lists."""
    return tuple(told) if isinstance(told, list) else told
