"""How many methods the page shows side by side, and the line of text that names them in its address."""

from collections.abc import Sequence

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


def check_count(methods: Sequence[object]) -> None:
    """Raises `LongSightError` unless there are one to `MOST_METHODS` methods."""
    if not 1 <= len(methods) <= MOST_METHODS:
        raise LongSightError(f"{len(methods)} methods were chosen; 1 to {MOST_METHODS} can be shown side by side.")
