"""What an evaluation on the page is: asked for, checked, and cut into cells that have the keys of the command's."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from analysis import runs
from analysis.evaluation.cell import EvaluationCell
from analysis.evaluation.results import MOST_CELLS
from analysis.evaluation.tasks import TASKS, Task
from app.session import formatting, model_catalogue, passkey_grids, side_by_side
from app.session.sessions import Session
from longsight.errors import LongSightError
from longsight.models.model import Model

FIRST = "passkey"
"""The task that is chosen at first."""
MOST_CASES = 5_000
MOST_TOKENS = 1_000_000
"""Of all prompts of one cell, which are held at once."""


@dataclass(frozen=True)
class EvaluationSettings:
    """What the controls of an evaluation hold: anything, until `make_request` has checked it.

    `tasks` by their keys, `lengths` [tokens] as they are typed, `trials` of each, and a `seed`.
    """

    tasks: Any
    lengths: Any
    trials: Any
    seed: Any


@dataclass(frozen=True)
class EvaluationRequest:
    """An evaluation to be run, checked. Cells of one task and one length, which share their cases, stand together."""

    model: Model
    cells: tuple[EvaluationCell, ...]


def titles() -> list[tuple[str, str]]:
    """The tasks that can be chosen, by title and key. All are of texts that come with the project."""
    return [(task.title, key) for key, task in TASKS.items()]


def task_keys(given: Any) -> Any:
    """The keys that a text names with commas between them; anything else as it is, for `read_tasks` to refuse."""
    if not isinstance(given, str):
        return given
    keys = [key.strip() for key in given.split(",") if key.strip()]
    if not keys:
        raise LongSightError(f"No task is named; there are {', '.join(TASKS)}.")
    return keys


def read_tasks(given: Any) -> list[Task]:
    """The tasks, with their own options, in the order of the table."""
    keys = given if isinstance(given, list) else [given]
    unknown = [key for key in keys if not isinstance(key, str) or key not in TASKS]
    if unknown:
        raise LongSightError(f"There is no task {unknown[0]!r}; there are {', '.join(TASKS)}.")
    if not keys:
        *most, last = (task.title for task in TASKS.values())
        raise LongSightError(f"No task is chosen; choose {', '.join(most)} or {last}.")
    return [task() for key, task in TASKS.items() if key in keys]


def make_request(session: Session, model: Model, line: str, asked: EvaluationSettings) -> EvaluationRequest:
    """`line` names the methods; what it leaves out is fitted to each length, as the command does it.

    Raises `LongSightError` where what is `asked` for makes no evaluation, or too large a one.
    """
    tasks, lengths = read_tasks(asked.tasks), passkey_grids.read_lengths(asked.lengths)
    trials, seed = passkey_grids.read_trials(asked.trials), passkey_grids.read_seed(asked.seed)
    methods = runs.method_parts(line)
    for length in lengths:
        side_by_side.read(model, ";".join(methods), length)
    _check_size(tasks, lengths, trials, len(methods))
    source, digest = model_catalogue.identity(model.name)
    cells = tuple(
        EvaluationCell(source, digest, task, method, length, trials, seed)
        for task in tasks
        for length in lengths
        for method in methods
    )
    _check_beside(session, model, cells)
    return EvaluationRequest(model, cells)


def _check_size(tasks: Sequence[Task], lengths: Sequence[int], trials: int, methods: int) -> None:
    cases = sum(task.count(trials) for task in tasks) * len(lengths) * methods
    if cases > MOST_CASES:
        raise LongSightError(f"That makes {cases:,} prompts; up to {MOST_CASES:,} are asked at once. Ask for fewer.")
    for task in tasks:
        tokens = task.count(trials) * lengths[-1]
        if tokens > MOST_TOKENS:
            raise LongSightError(
                f"{task.title}: {task.count(trials):,} prompts of {lengths[-1]:,} tokens have "
                f"{formatting.short_count(tokens)} tokens; up to {formatting.short_count(MOST_TOKENS)} are held at "
                "once. Ask for fewer trials or smaller lengths."
            )


def _check_beside(session: Session, model: Model, cells: Sequence[EvaluationCell]) -> None:
    """Raise where the visitor's results are of other weights of the model, or too many to be added to."""
    mine = session.results
    if mine is None:
        return
    if any(name == model.name and digest != cells[0].digest for name, digest in mine.weights):
        raise LongSightError(
            f"The results that are open are of a {model.name} with other weights; clear them to begin new ones."
        )
    count = mine.content.count(b"\n") + len(missing(session, cells))
    if count > MOST_CELLS:
        raise LongSightError(
            f"With those that are open that makes {count:,} cells; up to {MOST_CELLS:,} are kept. Clear them first."
        )


def missing(session: Session, cells: Sequence[EvaluationCell]) -> list[EvaluationCell]:
    """The cells that the visitor has no result of. One that was refused is tried again."""
    done = session.results.finished if session.results is not None else frozenset()
    return [cell for cell in cells if cell.key not in done]
