"""Methods and tasks with their parameters as one line of text, as in the page's address and on the command line.

    lm-infinite:window=512,starting=10;vanilla

A method's parameter left out takes the value that suits the model and the text; a task's option, its default.
"""

from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from typing import Any

from analysis.tasks import TASKS, Task
from engine.errors import LongSightError
from engine.methods import METHODS, Method
from engine.models import Model

EVERY = "all"
"""Stands for every method there is."""


def build(model: Model, key: str, given: Mapping[str, Any], target_length: int) -> Method:
    """The method `key` as it suits `model` and a text of `target_length` tokens, overridden by `given`.

    Raises `LongSightError` on an unknown method or parameter, and on values that the method refuses.
    """
    method = model.method(key, target_length)
    _check_names(method.title, [spec.name for spec in fields(method)], given, "parameter")
    return replace(method, **given)


def write(model: Model, methods: Sequence[Method], target_length: int) -> str:
    """The line for these methods, with every parameter that is not at its declared default."""
    return ";".join(_write_one(method, model.method(method.key, target_length)) for method in methods)


def read(model: Model, line: str, target_length: int) -> list[Method]:
    """The methods of a line that `write` wrote or a person typed. Raises `LongSightError` on anything else."""
    return [read_one(model, part, target_length) for part in _parts(line)]


def read_one(model: Model, part: str, target_length: int) -> Method:
    """The one method that a part of a line names."""
    key, given = _split(part)
    return build(model, key, given, target_length)


def keys(line: str) -> list[str]:
    """The keys of the methods that a line names, in order."""
    return [part.partition(":")[0] for part in _parts(line)]


def method_parts(line: str) -> list[str]:
    """A typed line as one text for each method: keys without parameters may have commas between them, and "all" stands
    for every method.

    Raises `LongSightError` on a method or parameter that does not exist; no model is needed to see that.
    """
    parts = [p.strip() for part in _parts(line) for p in ([part] if ":" in part else part.split(",")) if p.strip()]
    parts = [p for part in parts for p in (METHODS if part == EVERY else [part])]
    for part in parts:
        key, given = _split(part)
        if key not in METHODS:
            raise LongSightError(f"There is no method {key!r}; there are {', '.join(METHODS)}.")
        _check_names(METHODS[key].title, [spec.name for spec in fields(METHODS[key])], given, "parameter")
    if not parts:
        raise LongSightError(f"No method was named; there are {', '.join(METHODS)}.")
    return list(dict.fromkeys(parts))


def read_task(text: str) -> Task:
    """The task that `Task.describe` wrote or a person typed: "passkey:filler=prose,depths=3".

    Raises `LongSightError` on an unknown task or option, and on values that the task refuses.
    """
    key, _, values = text.strip().partition(":")
    if key not in TASKS:
        raise LongSightError(f"There is no task {key!r}; there are {', '.join(TASKS)}.")
    kinds = {spec.name: type(spec.default) for spec in fields(TASKS[key])}
    pairs = [pair.partition("=") for pair in values.split(",") if pair]
    _check_names(TASKS[key].title, list(kinds), [name for name, _, _ in pairs], "option")
    return TASKS[key](**{name: value if kinds[name] is str else _number(key, name, value) for name, _, value in pairs})


def _parts(line: str) -> list[str]:
    return [part for part in line.split(";") if part]


def _write_one(method: Method, suited: Method) -> str:
    values = [
        f"{spec.name}={getattr(method, spec.name)}"
        for spec in fields(method)
        if not getattr(method, spec.name) == getattr(suited, spec.name) == spec.default
    ]
    return f"{method.key}:{','.join(values)}" if values else method.key


def _split(part: str) -> tuple[str, dict[str, int | float]]:
    key, _, values = part.partition(":")
    pairs = [pair.partition("=") for pair in values.split(",") if pair]
    return key, {name: _number(key, name, text) for name, _, text in pairs}


def _check_names(title: str, known: Sequence[str], given: Mapping[str, Any] | Sequence[str], kind: str) -> None:
    for name in given:
        if name not in known:
            offered = f"its {kind}s are {', '.join(known)}" if known else f"it has no {kind}s"
            raise LongSightError(f"{title} has no {kind} {name!r}; {offered}.")


def _number(key: str, name: str, text: str) -> int | float:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    raise LongSightError(f"{key}: {name} must be a number, but {text!r} was given.")
