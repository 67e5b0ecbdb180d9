"""Results that came from anyone: every field checked before anything is made of them."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from longsight.errors import LongSightError
from longsight.methods import METHODS

from .. import runs
from .results import Row, parse_rows
from .tasks import TASKS, read_task

MOST_BYTES = 20_000_000
MOST_CELLS = 5_000
Whole = Annotated[int, Field(ge=0, le=2**40)]
Number = Annotated[float, Field(allow_inf_nan=False)]
Name = Annotated[str, Field(max_length=500)]
Text = Annotated[str, Field(max_length=100_000)]


class Checked(BaseModel):
    """Nothing is converted, and nothing may stand beside the fields that are named."""

    model_config = ConfigDict(strict=True, extra="forbid")


class ModelPart(Checked):
    name: Name
    source: Name
    digest: Name
    train_length: Annotated[int, Field(ge=1, le=2**40)]
    positions: Name
    parameters: Whole
    dtype: Name


class MethodPart(Checked):
    key: Name
    text: Name
    caption: Name | None
    parameters: dict[Name, Number] | None
    reach: Whole | None
    sight: Whole | None


class TaskPart(Checked):
    key: Name
    text: Name
    options: dict[Name, Number | Name | bool]


class CasePart(Checked):
    tokens: Whole
    answers: list[Text]
    said: Text
    scores: dict[Name, Number | None]
    facts: dict[Name, Any]
    more: dict[Name, Any] | None = None


class RunPart(Checked):
    started: Name
    seconds: Number
    cost: list[dict[Name, Number]]
    machine: dict[Name, Name | int]
    versions: dict[Name, Name]


class CellPart(Checked):
    """One line of a results file, as `analysis.evaluation.worker.cell_steps` makes it."""

    cell: Name
    model: ModelPart
    method: MethodPart
    task: TaskPart
    length: Annotated[int, Field(ge=1, le=2**40)]
    trials: Annotated[int, Field(ge=1)]
    seed: Whole
    refused: Text | None
    cases: list[CasePart]
    scores: dict[Name, Number]
    run: RunPart


def read_rows(content: bytes, name: str) -> list[Row]:
    """The rows of a results file called `name`. Raises `LongSightError`, in one sentence, on any other file."""
    if len(content) > MOST_BYTES:
        raise LongSightError(f"{name} has {len(content):,} bytes; results of up to {MOST_BYTES:,} are opened here.")
    if content and not content.endswith(b"\n"):
        content += b"\n"
    rows = parse_rows(content, name)
    if not 1 <= len(rows) <= MOST_CELLS:
        raise LongSightError(f"{name} has {len(rows):,} cells; 1 to {MOST_CELLS:,} are opened here.")
    for number, row in enumerate(rows, 1):
        try:
            CellPart.model_validate(row)
        except ValidationError as problem:
            first = problem.errors()[0]
            place = ".".join(map(str, first["loc"]))
            raise LongSightError(f"{name} is no file of results: line {number}, {place}: {first['msg']}.") from problem
        _check_names(row, f"{name}, line {number}")
    return rows


def _check_names(row: Row, where: str) -> None:
    """Raise `LongSightError` unless method and task are ours, as text and in parts alike."""
    method, task = row["method"], row["task"]
    for what, part, known in (("method", method, METHODS), ("task", task, TASKS)):
        if part["key"] not in known or part["text"].partition(":")[0] != part["key"]:
            raise LongSightError(f"{where}: there is no {what} {part['text']!r}; there are {', '.join(known)}.")
    runs.method_parts(method["text"])
    read_task(task["text"])
