"""Records: frozen results of numpy arrays whose fields name their axes, their meaning and their unit.

A record is where torch ends. Its arrays are checked against each other when it is made, and cannot be written to.
"""

from dataclasses import Field, dataclass, field, fields
from typing import Any

import numpy as np

from longsight.errors import LongSightError


def array(axes: str, meaning: str, unit: str = "") -> Any:
    """Declare a record's array: `array("layer head query", "attention entropy", "nats")`.

    The same axis name stands for the same length in every field of a record.
    """
    return field(metadata={"axes": tuple(axes.split()), "meaning": meaning, "unit": unit})


def value(meaning: str, unit: str = "", **options: Any) -> Any:
    """Declare a record's single value: a number, a string, a tuple or a dict of them. `options` go to `field`."""
    return field(metadata={"meaning": meaning, "unit": unit}, **options)


@dataclass(frozen=True)
class Column:
    """One array of a record together with what it is: what tables and files are written from."""

    name: str
    axes: tuple[str, ...]
    meaning: str
    unit: str
    values: np.ndarray


@dataclass(frozen=True, eq=False)
class Record:
    """The base of all records. Two of one type are equal when every field is, NaN counting as equal to NaN.

    Raises `LongSightError` when an array has other axes than it declares, or when two arrays disagree on an axis.
    """

    def __post_init__(self) -> None:
        sizes: dict[str, tuple[int, str]] = {}
        for spec in self.arrays():
            values = np.asarray(getattr(self, spec.name)).view()
            self._check(spec, values, sizes)
            values.setflags(write=False)
            object.__setattr__(self, spec.name, values)

    def _check(self, spec: Field[Any], values: np.ndarray, sizes: dict[str, tuple[int, str]]) -> None:
        name, axes = f"{type(self).__name__}.{spec.name}", spec.metadata["axes"]
        if values.dtype == object:
            raise LongSightError(f"{name} must hold numbers or strings of one kind, but a mixture was given.")
        if values.ndim != len(axes):
            raise LongSightError(
                f"{name} has the axes ({', '.join(axes)}), but the array given has shape {values.shape}."
            )
        for axis, size in zip(axes, values.shape, strict=True):
            expected, owner = sizes.setdefault(axis, (size, spec.name))
            if size != expected:
                raise LongSightError(f"{name} has {size} along '{axis}', but {owner} has {expected}; they must agree.")

    @classmethod
    def arrays(cls) -> tuple[Field[Any], ...]:
        """The fields that are arrays, in order."""
        return tuple(spec for spec in fields(cls) if "axes" in spec.metadata)

    @classmethod
    def values(cls) -> tuple[Field[Any], ...]:
        """The fields that are single values, in order."""
        return tuple(spec for spec in fields(cls) if "axes" not in spec.metadata)

    def columns(self) -> tuple[Column, ...]:
        """Every array with its description. A record adds here what follows from its fields and people want to read."""
        return tuple(Column(spec.name, values=getattr(self, spec.name), **spec.metadata) for spec in self.arrays())

    def __eq__(self, other: object) -> bool:
        if type(self) is not type(other):
            return NotImplemented
        return all(_same(getattr(self, spec.name), getattr(other, spec.name)) for spec in fields(self))

    __hash__ = None  # type: ignore[assignment]


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, np.ndarray):
        return np.array_equal(one, other, equal_nan=one.dtype.kind == "f")
    return bool(one == other)
