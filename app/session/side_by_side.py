"""How many methods the page shows side by side, and the line of text that names them in its address.

A parameter that stands in the line is pinned. One that is left out follows the length of the text, wherever the method
is used: it is fitted to the document in the chat, to the length that is looked at in the diagnostics, and so on.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields

from analysis import runs
from analysis.runs import typed
from app.session.suitability import refusal
from longsight.errors import LongSightError
from longsight.methods import Method
from longsight.models.model import Model

MOST_METHODS = 3
"""What fits side by side and can still be read."""

LENGTHS = (1, 2, 3, 5, 8, 16, 64, 256)
"""Texts of so many trained lengths tell which parameters follow the length."""

write, keys = runs.write, runs.keys


def read(model: Model, line: str, target_length: int) -> list[Method]:
    """The methods of a line of text. Raises `LongSightError` on one that names too many or none, or that is wrong."""
    check_count(keys(line))
    return runs.read(model, line, target_length)


@dataclass(frozen=True)
class ChosenMethod:
    """The `method` that a `part` of a line names, and the parameters that were `fitted` to the text by their names.

    Where its parameters cannot be, one that suits the model stands in its place, and the `problem` says why. `refused`
    says why this model cannot run it.
    """

    part: str
    method: Method
    fitted: tuple[str, ...] = ()
    problem: str = ""
    refused: str = ""

    @property
    def follows(self) -> str:
        """What was fitted, in words: group 16, window 128."""
        return ", ".join(_said(name, getattr(self.method, name)) for name in self.fitted)


def _said(name: str, value: int | float | str) -> str:
    if isinstance(value, str):
        return f"{name} {value}" if len(value) <= runs.MOST_SHOWN else name
    return f"{name} {value:,}" if isinstance(value, int) else f"{name} {value:g}"


def read_each(model: Model, line: str, target_length: int) -> list[ChosenMethod]:
    """Each method of a line by itself. Raises `LongSightError` where there are too many or none, or one is unknown."""
    check_count(keys(line))
    return [_read_one(model, part, target_length) for part in runs.parts(line)]


def pinned(model: Model, methods: Sequence[Method], target_length: int) -> list[ChosenMethod]:
    """These very methods, at any length."""
    return read_each(model, write(model, methods, target_length), target_length)


def line_of(chosen: Sequence[ChosenMethod]) -> str:
    """The line that names them."""
    return ";".join(each.part for each in chosen)


def possible(model: Model, chosen: Sequence[ChosenMethod], target_length: int) -> list[ChosenMethod]:
    """The same, but that those with a problem have the parameters that suit the model."""
    return [_read_one(model, each.method.key, target_length) if each.problem else each for each in chosen]


def _read_one(model: Model, part: str, target_length: int) -> ChosenMethod:
    key, given = typed.named(part)
    try:
        method, problem = runs.read_one(model, part, target_length), ""
    except LongSightError as error:
        method, problem = model.method(key, target_length), str(error)
    fitted = tuple(name for name in following(model, key) if name not in given)
    return ChosenMethod(part, method, fitted, problem, refusal(model, method))


def following(model: Model, key: str) -> tuple[str, ...]:
    """The parameters of the method `key` that follow the length of the text with this model, in order."""
    suited = [model.method(key, times * model.train_length) for times in LENGTHS]
    names = [spec.name for spec in fields(suited[0])]
    return tuple(name for name in names if len({getattr(method, name) for method in suited}) > 1)


def fitted(model: Model, line: str, target_length: int) -> str:
    """What of the methods of a line was fitted to a text of so many tokens, in words; empty where nothing was."""
    said = [f"{each.method.title} {each.follows}" for each in read_each(model, line, target_length) if each.fitted]
    return f"fitted to {target_length:,} tokens: {'; '.join(said)}" if said else ""


def check_count(methods: Sequence[object]) -> None:
    """Raises `LongSightError` unless there are one to `MOST_METHODS` methods."""
    if not 1 <= len(methods) <= MOST_METHODS:
        raise LongSightError(f"{len(methods)} methods were chosen; 1 to {MOST_METHODS} can be shown side by side.")
