"""Runs: methods with their parameters, chosen to stand side by side; as objects, and as one line of text.

    lm-infinite:window=512,starting=10;vanilla

A parameter that is a text stands in double quotes, and may hold any of the marks: `composed:rule="d < 8: d; else: 8"`.
That line is what the page's address, the command line, benchmarks and results name methods by. A method may stand in it
several times. A parameter left out takes the value that suits the model and the text.
"""

import json
from argparse import ArgumentTypeError
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from itertools import combinations
from typing import Any

from longsight.errors import LongSightError
from longsight.methods import METHODS, Method
from longsight.models.model import Model

from ..drawing.palette import colour, dash, repeats
from . import typed

EVERY = "all"
"""Stands for every method there is."""
MOST_SHOWN = 24
"""Characters of a parameter that a label shows."""


@dataclass(frozen=True)
class Run:
    """A method with its parameters, told apart from the others that it was chosen with.

    `id`: the method's key, with a number from its second run on; what figures, caches, legends, files and links are
    keyed by. `label`: the shortest text that tells the run from the others. `colour` and `dash`: those of its lines.
    """

    id: str
    method: Method
    label: str
    colour: str
    dash: str

    @property
    def key(self) -> str:
        """The method's key in METHODS."""
        return self.method.key


def make_runs(methods: Sequence[Method]) -> tuple[Run, ...]:
    """One run for each method, in order."""
    again = repeats([method.key for method in methods])
    return tuple(
        Run(
            method.key if times == 0 else f"{method.key}-{times + 1}",
            method,
            _label(method, times, [other for other in methods if other.key == method.key]),
            colour(method.key, times),
            dash(method.key, times),
        )
        for method, times in zip(methods, again, strict=True)
    )


def _label(method: Method, times: int, alike: Sequence[Method]) -> str:
    """The title, with the fewest parameters that tell it from those `alike`; a number where none that is short does."""
    others = [other for other in alike if other != method]
    if len(alike) - len(others) > 1:
        return f"{method.title} {times + 1}"
    specs = [spec for spec in fields(method) if len(str(getattr(method, spec.name))) <= MOST_SHOWN]
    for count in range(len(specs) + 1):
        for chosen in combinations(specs, count):
            if all(any(getattr(other, s.name) != getattr(method, s.name) for s in chosen) for other in others):
                values = [f"{s.metadata['symbol'] or s.name}={getattr(method, s.name)}" for s in chosen]
                return f"{method.title} {', '.join(values)}".rstrip()
    return f"{method.title} {times + 1}"


def method_of(key: str, parameters: str) -> Method:
    """The method `key` with parameters as JSON, as records keep them. Raises `LongSightError` on what is none."""
    if key not in METHODS:
        raise LongSightError(f"There is no method {key!r}; there are {', '.join(METHODS)}.")
    try:
        return METHODS[key](**json.loads(parameters))
    except (TypeError, ValueError, RecursionError) as problem:
        raise LongSightError(f"{METHODS[key].title} has no parameters {parameters[:200]!r}.") from problem


def build(model: Model, key: str, given: Mapping[str, Any], target_length: int) -> Method:
    """The method `key` as it suits `model` and a text of `target_length` tokens, overridden by `given`.

    Raises `LongSightError` on an unknown method or parameter, and on values that the method refuses, for this model.
    """
    method = model.method(key, target_length)
    typed.check_names(method.title, [spec.name for spec in fields(method)], given, "parameter")
    built = replace(method, **given)
    model.seam.rules(built)  # refused where it is made for another model
    return built


def write(model: Model, methods: Sequence[Method], target_length: int) -> str:
    """The line for these methods, with every parameter that is not at its declared default."""
    return ";".join(_write_one(method, model.method(method.key, target_length)) for method in methods)


def read(model: Model, line: str, target_length: int) -> list[Method]:
    """The methods of a line that `write` wrote or a person typed. Raises `LongSightError` on anything else."""
    return [read_one(model, part, target_length) for part in parts(line)]


def read_one(model: Model, part: str, target_length: int) -> Method:
    """The one method that a part of a line names."""
    key, given = _split(part)
    return build(model, key, given, target_length)


def keys(line: str) -> list[str]:
    """The keys of the methods that a line names, in order."""
    return [part.partition(":")[0] for part in parts(line)]


def method_parts(line: str) -> list[str]:
    """A typed line as one text for each method: keys without parameters may have commas between them, and "all" stands
    for every method.

    Raises `LongSightError` on a method or parameter that does not exist; no model is needed to see that.
    """
    typed_ones = [p.strip() for part in parts(line) for p in ([part] if ":" in part else part.split(",")) if p.strip()]
    found = [p for part in typed_ones for p in (METHODS if part == EVERY else [part])]
    for part in found:
        key, given = _split(part)
        if key not in METHODS:
            raise LongSightError(f"There is no method {key!r}; there are {', '.join(METHODS)}.")
        typed.check_names(METHODS[key].title, [spec.name for spec in fields(METHODS[key])], given, "parameter")
    if not found:
        raise LongSightError(f"No method was named; there are {', '.join(METHODS)}.")
    return list(dict.fromkeys(found))


def methods_argument(line: str) -> list[str]:
    """`method_parts` as argparse wants it: what is wrong is said as the command's own error."""
    try:
        return method_parts(line)
    except LongSightError as problem:
        raise ArgumentTypeError(str(problem)) from problem


def parts(line: str) -> list[str]:
    """The text of each method that a line names, in order."""
    return typed.cut(line, ";")


def _write_one(method: Method, suited: Method) -> str:
    values = [
        f"{spec.name}={typed.quoted(getattr(method, spec.name))}"
        for spec in fields(method)
        if not getattr(method, spec.name) == getattr(suited, spec.name) == spec.default
    ]
    return f"{method.key}:{','.join(values)}" if values else method.key


def _split(part: str) -> tuple[str, dict[str, int | float | str]]:
    key, values = typed.named(part)
    texts = {spec.name for spec in fields(METHODS[key]) if spec.type is str} if key in METHODS else set()
    return key, {
        name: (typed.any_text if name in texts else typed.any_number)(key, name, text) for name, text in values.items()
    }
