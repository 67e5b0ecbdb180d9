"""Methods and their parameters as one line of text, as it stands in the page's address.

    lm-infinite:window=512,starting=10;vanilla

A parameter left out takes the value that suits the model and the text.
"""

from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from typing import Any

from engine.errors import LongSightError
from engine.methods import Method
from engine.models import Model

MOST_METHODS = 3
"""What fits side by side and can still be read."""


def build(model: Model, key: str, given: Mapping[str, Any], target_length: int) -> Method:
    """The method `key` as it suits `model` and a text of `target_length` tokens, overridden by `given`.

    Raises `LongSightError` on an unknown method or parameter, and on values that the method refuses.
    """
    method = model.method(key, target_length)
    known = [spec.name for spec in fields(method)]
    for name in given:
        if name not in known:
            offered = f"its parameters are {', '.join(known)}" if known else "it has no parameters"
            raise LongSightError(f"{method.title} has no parameter {name!r}; {offered}.")
    return replace(method, **given)


def write(model: Model, methods: Sequence[Method], target_length: int) -> str:
    """The line for these methods, with every parameter that is not at its declared default."""
    return ";".join(_write_one(method, model.method(method.key, target_length)) for method in methods)


def read(model: Model, line: str, target_length: int) -> list[Method]:
    """The methods of a line that `write` wrote or a person typed. Raises `LongSightError` on anything else."""
    parts = [part for part in line.split(";") if part]
    check_count(parts)
    return [_read_one(model, part, target_length) for part in parts]


def keys(line: str) -> list[str]:
    """The keys of the methods that a line names, in order."""
    return [part.partition(":")[0] for part in line.split(";") if part]


def check_count(methods: Sequence[object]) -> None:
    """Raises `LongSightError` unless there are one to `MOST_METHODS` methods."""
    if not 1 <= len(methods) <= MOST_METHODS:
        raise LongSightError(f"{len(methods)} methods were chosen; 1 to {MOST_METHODS} can be shown side by side.")


def _write_one(method: Method, suited: Method) -> str:
    values = [
        f"{spec.name}={getattr(method, spec.name)}"
        for spec in fields(method)
        if not getattr(method, spec.name) == getattr(suited, spec.name) == spec.default
    ]
    return f"{method.key}:{','.join(values)}" if values else method.key


def _read_one(model: Model, part: str, target_length: int) -> Method:
    key, _, values = part.partition(":")
    pairs = [pair.partition("=") for pair in values.split(",") if pair]
    return build(model, key, {name: _number(key, name, text) for name, _, text in pairs}, target_length)


def _number(key: str, name: str, text: str) -> int | float:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    raise LongSightError(f"{key}: {name} must be a number, but {text!r} was given.")
