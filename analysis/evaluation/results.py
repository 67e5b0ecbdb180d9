"""Results of evaluations: a file of rows, each added by one write that either reaches the disk whole or does not count;
and files of the kind that anyone may bring."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from pydantic import ValidationError

from longsight.errors import LongSightError
from longsight.methods import METHODS

from .. import runs
from .cell import EvaluationCell
from .row import Row
from .tasks import TASKS, read_task

FILE = "results.jsonl"
MOST_BYTES = 20_000_000
MOST_CELLS = 5_000


def read_results(folder: Path) -> list[Row]:
    """All rows of a folder that `Results` wrote. Raises `LongSightError` when there is no such folder or file.

    A last line that was not written to its end does not count.
    """
    path = folder / FILE if folder.is_dir() else folder
    try:
        text = path.read_bytes()
    except OSError as problem:
        raise LongSightError(
            f"{folder} was asked for as results, but holds no {FILE}; run `longsight evaluate`."
        ) from problem
    return list(_parse(text, str(path)).values())


def read_rows(content: bytes, name: str) -> list[Row]:
    """The rows of a file called `name` that anyone brought. Raises `LongSightError`, in one sentence, on one that is
    too large, or in which anything is not ours."""
    if len(content) > MOST_BYTES:
        raise LongSightError(f"{name} has {len(content):,} bytes; results of up to {MOST_BYTES:,} are opened here.")
    if content and not content.endswith(b"\n"):
        content += b"\n"
    rows = list(_parse(content, name).values())
    if not 1 <= len(rows) <= MOST_CELLS:
        raise LongSightError(f"{name} has {len(rows):,} cells; 1 to {MOST_CELLS:,} are opened here.")
    for number, row in enumerate(rows, 1):
        _check_names(row, f"{name}, line {number}")
    return rows


def _parse(text: bytes, name: str) -> dict[str, Row]:
    """Rows by cell; of a cell that was tried again, the last one."""
    whole = text[: text.rfind(b"\n") + 1]
    rows = {}
    for number, line in enumerate(whole.splitlines(), 1):
        try:
            row = Row.model_validate_json(line)
        except ValidationError as problem:
            raise LongSightError(f"{name} is no file of results: line {number} is not a cell{_why(problem)}.") from None
        rows[row.cell] = row
    return rows


def _why(problem: ValidationError) -> str:
    """The first field that is wrong; nothing where the whole is."""
    first = problem.errors(include_url=False)[0]
    place, said = ".".join(map(str, first["loc"])), first["msg"].removeprefix("Value error, ")
    return f"; {place}: {said}" if place else ""


def _check_names(row: Row, where: str) -> None:
    """Raise `LongSightError` unless method and task are ours, as text and in parts alike, and cases are of the task."""
    for what, part, known in (("method", row.method, METHODS), ("task", row.task, TASKS)):
        if part.key not in known or part.text.partition(":")[0] != part.key:
            raise LongSightError(f"{where}: there is no {what} {part.text!r}; there are {', '.join(known)}.")
    runs.method_parts(row.method.text)
    task = read_task(row.task.text)
    for case in row.cases:
        try:
            task.case_facts.model_validate(case.facts)
        except ValidationError as problem:
            raise LongSightError(f"{where}: these are no facts of a case of {task.key}{_why(problem)}.") from None


@contextmanager
def opened(folder: Path) -> Iterator["Results"]:
    """The results of a folder, to read and to add to. Raises `LongSightError` while another run has them open, and
    where there can be no such folder."""
    lock = FileLock(folder / ".lock", timeout=0)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except Timeout:
        raise LongSightError(f"Another run is writing to {folder}; wait for it, or choose another --out.") from None
    except OSError as problem:
        said = f"{folder} cannot be a folder of results: {problem.strerror}; choose another --out."
        raise LongSightError(said) from problem
    try:
        yield Results(folder)
    finally:
        lock.release()


class Results:
    """A file that rows are added to."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / FILE
        self.rows: dict[str, Row] = {}
        if self.path.exists():
            text = self.path.read_bytes()
            self.rows = _parse(text, str(self.path))
            whole = text.rfind(b"\n") + 1
            if whole < len(text):
                os.truncate(self.path, whole)

    def has(self, cell: EvaluationCell) -> bool:
        """Whether the cell is finished. One that was refused is tried again: what stood in its way may be gone."""
        row = self.rows.get(cell.key)
        return row is not None and row.refused is None

    def forget_other_weights(self, cells: Sequence[EvaluationCell]) -> None:
        """Drop what was measured with other weights of the models of `cells`: folders of the same name."""
        current = {(Path(cell.model).name, cell.digest) for cell in cells}
        names = {name for name, _ in current}
        told = {key: (row.model.name, row.model.digest) for key, row in self.rows.items()}
        self.rows = {key: row for key, row in self.rows.items() if told[key] in current or told[key][0] not in names}

    def append(self, row: Row) -> None:
        """Write a row down; when this returns, it is on the disk."""
        self.rows[row.cell] = row
        with self.path.open("ab") as file:
            file.write(row.line())
            file.flush()
            os.fsync(file.fileno())

    def settle(self) -> None:
        """Bring rows and file into their final order, which does not depend on which cell was finished first."""
        self.rows = {row.cell: row for row in sorted(self.rows.values(), key=_place)}
        new = self.path.with_suffix(".new")
        with new.open("wb") as file:
            file.writelines(row.line() for row in self.rows.values())
            file.flush()
            os.fsync(file.fileno())
        os.replace(new, self.path)


def _place(row: Row) -> tuple[Any, ...]:
    return row.task.text, row.model.name, row.length, row.method.text, row.trials, row.cell
