"""How many methods the page shows side by side, and the line of text that names them in its address."""

from collections.abc import Sequence
from dataclasses import dataclass

from analysis import runs
from longsight.errors import LongSightError
from longsight.methods import Method
from longsight.models.model import Model

MOST_METHODS = 3
"""What fits side by side and can still be read."""

build, write, keys = runs.build, runs.write, runs.keys


def read(model: Model, line: str, target_length: int) -> list[Method]:
    """The methods of a line of text. Raises `LongSightError` on one that names too many or none, or that is wrong."""
    check_count(keys(line))
    return runs.read(model, line, target_length)


@dataclass(frozen=True)
class ChosenMethod:
    """A method of a line; where its parameters cannot be, one that suits the model in its place, and the `problem`."""

    method: Method
    problem: str = ""


def read_each(model: Model, line: str, target_length: int) -> list[ChosenMethod]:
    """Each method of a line by itself. Raises `LongSightError` where there are too many or none, or one is unknown."""
    check_count(keys(line))
    return [_read_one(model, part, target_length) for part in runs.parts(line)]


def _read_one(model: Model, part: str, target_length: int) -> ChosenMethod:
    try:
        return ChosenMethod(runs.read_one(model, part, target_length))
    except LongSightError as error:
        [key] = keys(part)
        return ChosenMethod(model.method(key, target_length), str(error))


def check_count(methods: Sequence[object]) -> None:
    """Raises `LongSightError` unless there are one to `MOST_METHODS` methods."""
    if not 1 <= len(methods) <= MOST_METHODS:
        raise LongSightError(f"{len(methods)} methods were chosen; 1 to {MOST_METHODS} can be shown side by side.")


def follow(model: Model, methods: Sequence[Method], before: int, now: int) -> list[Method]:
    """The same methods when the text's length goes from `before` to `now` tokens.

    What stood at its default moves on with the default; what the visitor has set stays.
    """
    return [
        model.method(method.key, now) if method == model.method(method.key, before) else method for method in methods
    ]
