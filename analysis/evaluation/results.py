"""Results of evaluations: cells, each written down once and for all as a line of JSON.

A cell is one model, one method, one task, one length. Its line says everything needed to run it again, what came of
every case, and, apart from that, what it took; `steady` leaves out what may differ when it is run again.
"""

import fcntl
import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from longsight.errors import LongSightError

FILE = "results.jsonl"
Row = dict[str, Any]

FIELDS = "cell model method task length trials seed refused cases scores run".split()
"""What a row holds; see `analysis.evaluation.worker.describe`."""

WEIGHTS_READ = 2**20
"""Bytes of a large file that its digest is made of; size and name count as well."""
IDENTIFYING = ("*.safetensors", "config.json", "longsight.json", "tokenizer*.json", "chat_template.jinja")


@dataclass(frozen=True)
class EvaluationCell:
    """What is run: `model` a folder or a Hub id, `method` and `task` as text (`analysis.specs`), `length` [tokens],
    `trials` how many cases, `seed` what they are drawn from, `digest` of the model's files."""

    model: str
    digest: str
    task: str
    method: str
    length: int
    trials: int
    seed: int

    @property
    def key(self) -> str:
        """What tells this cell from every other; the place of the model's folder does not count."""
        named = asdict(self) | {"model": Path(self.model).name if self.digest else self.model}
        return hashlib.sha256(json.dumps(named, sort_keys=True).encode()).hexdigest()[:16]


def digest(source: str) -> str:
    """A digest of a model folder, so that other weights are other cells; "" for what is not on this disk."""
    folder = Path(source)
    if not folder.is_dir():
        return ""
    made = hashlib.sha256()
    for path in sorted({path for pattern in IDENTIFYING for path in folder.glob(pattern)}):
        with path.open("rb") as file:
            made.update(f"{path.name} {path.stat().st_size} ".encode() + file.read(WEIGHTS_READ))
    return made.hexdigest()[:16]


def read_results(folder: Path) -> list[Row]:
    """All cells of a folder that `append` wrote. Raises `LongSightError` when there is no such folder or file.

    A last line that was not written to its end does not count.
    """
    path = folder / FILE if folder.is_dir() else folder
    try:
        text = path.read_bytes()
    except OSError as problem:
        raise LongSightError(
            f"{folder} was asked for as results, but holds no {FILE}; run analysis.evaluate."
        ) from problem
    return parse_rows(text, str(path))


def parse_rows(text: bytes, name: str) -> list[Row]:
    """The rows of a results file; of a cell that was tried again, the last one."""
    whole = text[: text.rfind(b"\n") + 1]
    rows: dict[str, Row] = {}
    for number, line in enumerate(whole.splitlines(), 1):
        try:
            row = json.loads(line)
            rows[row["cell"]] = {name: row[name] for name in FIELDS}
        except (ValueError, KeyError, TypeError, RecursionError) as problem:
            raise LongSightError(f"{name} is no file of results: line {number} is not a cell.") from problem
    return list(rows.values())


def steady(row: Row) -> Row:
    """A row without what may differ when it is run again: times, memory, the machine, versions."""
    return {name: part for name, part in row.items() if name != "run"}


@contextmanager
def opened(folder: Path) -> Iterator["Results"]:
    """The results of a folder, to read and to add to. Raises `LongSightError` while another run has them open."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as problem:
            raise LongSightError(
                f"Another run is writing to {folder}; wait for it, or choose another --out."
            ) from problem
        yield Results(folder)


class Results:
    """A file that cells are added to, each by one write that either reaches the disk whole or does not count."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / FILE
        self.rows: dict[str, Row] = {}
        if self.path.exists():
            text = self.path.read_bytes()
            self.rows = {row["cell"]: row for row in parse_rows(text, str(self.path))}
            whole = text.rfind(b"\n") + 1
            if whole < len(text):
                os.truncate(self.path, whole)

    def has(self, cell: EvaluationCell) -> bool:
        """Whether the cell is finished. One that was refused is tried again: what stood in its way may be gone."""
        row = self.rows.get(cell.key)
        return row is not None and row["refused"] is None

    def forget_other_weights(self, cells: Sequence[EvaluationCell]) -> None:
        """Drop what was measured with other weights of the models of `cells`: folders of the same name."""
        current = {(Path(cell.model).name, cell.digest) for cell in cells}
        names = {name for name, _ in current}
        told = {key: (row["model"]["name"], row["model"]["digest"]) for key, row in self.rows.items()}
        self.rows = {key: row for key, row in self.rows.items() if told[key] in current or told[key][0] not in names}

    def append(self, row: Row) -> None:
        """Write a row down; when this returns, it is on the disk."""
        self.rows[row["cell"]] = row
        with self.path.open("ab") as file:
            file.write(_line(row))
            file.flush()
            os.fsync(file.fileno())

    def settle(self) -> None:
        """Bring the file into its final order, which does not depend on which cell was finished first."""
        rows = sorted(self.rows.values(), key=_place)
        new = self.path.with_suffix(".new")
        with new.open("wb") as file:
            file.writelines(_line(row) for row in rows)
            file.flush()
            os.fsync(file.fileno())
        os.replace(new, self.path)


def _line(row: Row) -> bytes:
    return json.dumps(row, ensure_ascii=False).encode() + b"\n"


def _place(row: Row) -> tuple[Any, ...]:
    return row["task"]["text"], row["model"]["name"], row["length"], row["method"]["text"], row["trials"], row["cell"]


def mean_scores(cases: Sequence[Row]) -> dict[str, float]:
    """The mean of each score over the cases that have it."""
    names = dict.fromkeys(name for case in cases for name in case["scores"])
    known = {name: [case["scores"][name] for case in cases if case["scores"].get(name) is not None] for name in names}
    return {name: sum(values) / len(values) for name, values in known.items() if values}
