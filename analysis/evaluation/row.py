"""A row of results: one cell, written down once and for all as a line of JSON.

It says everything needed to run the cell again, what came of every case, and, apart from that, what it took. This is
the only place that says what a row holds. Whoever brings one: nothing is converted, and nothing may stand beside the
fields that are named.
"""

import json
import math
from typing import Annotated, Any

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    PlainValidator,
    SerializerFunctionWrapHandler,
    model_serializer,
)

LARGEST = 2**53
"""Whole numbers up to here are the same in every reader of JSON."""


def _finite(given: object) -> int | float:
    """A number as it is, whole or not. Raises `ValueError` on anything else, and on what no JSON can hold."""
    if not isinstance(given, int | float) or isinstance(given, bool):
        raise ValueError("Input should be a valid number")
    if (isinstance(given, int) and abs(given) > LARGEST) or not math.isfinite(given):
        raise ValueError("Input should be a finite number")
    return given


Whole = Annotated[int, Field(ge=0, le=LARGEST)]
Length = Annotated[int, Field(ge=1, le=LARGEST)]
Number = Annotated[int | float, PlainValidator(_finite)]
Name = Annotated[str, Field(max_length=500)]
Line = Annotated[str, Field(max_length=2_000)]
Text = Annotated[str, Field(max_length=100_000)]


class Strict(BaseModel):
    """Nothing is converted, and nothing may stand beside the fields that are named."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class RowModel(Strict):
    """The model. `digest`: of its files; empty for one that is not a folder. `positions`: rope or alibi."""

    name: Name
    source: Name
    digest: Name
    train_length: Length
    positions: Name
    parameters: Whole
    dtype: Name


class RowMethod(Strict):
    """The method as text and as it was run; but for `key` and `text`, None where it was refused.

    `reach`: the longest text with familiar distances only; `sight`: the longest that is seen whole [tokens]; None: any.
    """

    key: Name
    text: Line
    caption: Line | None
    parameters: dict[Name, Number | Name] | None
    reach: Whole | None
    sight: Whole | None


class RowTask(Strict):
    """The task as text, and all of its options."""

    key: Name
    text: Name
    options: dict[Name, Number | Name]


class RowCase(Strict):
    """What was asked and what came of it. `facts`: how it was made, as its task says (`Task.Facts`); `more`: results
    that are no single numbers, in the order of the text."""

    tokens: Whole
    answers: tuple[Text, ...]
    said: Text
    scores: dict[Name, Number | None]
    facts: dict[Name, JsonValue]
    more: dict[Name, tuple[Number | None, ...]] | None = None

    @model_serializer(mode="wrap")
    def _without_nothing(self, make: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {name: part for name, part in make(self).items() if name != "more" or part is not None}


class RowMachine(Strict):
    """Where it ran."""

    device: Name
    name: Name
    threads: Whole
    system: Name


class RowRun(Strict):
    """What may differ when the cell is run again: when, how long [s], what each case took, where, with what."""

    started: Name
    seconds: Number
    cost: tuple[dict[Name, Number], ...]
    machine: RowMachine
    versions: dict[Name, Name]


class Row(Strict):
    """One cell: one model, one method, one task, one length. `scores` are the means over the cases that have them;
    `refused` says in a sentence why it could not be run."""

    cell: Name
    model: RowModel
    method: RowMethod
    task: RowTask
    length: Length
    trials: Length
    seed: Whole
    refused: Text | None
    cases: tuple[RowCase, ...]
    scores: dict[Name, Number]
    run: RowRun

    def line(self) -> bytes:
        """The row as it is written down: one line of JSON."""
        return json.dumps(self.model_dump(mode="json"), ensure_ascii=False, allow_nan=False).encode() + b"\n"
