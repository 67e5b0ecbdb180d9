"""Results of an evaluation, opened: those that ship with the project, or a visitor's own, brought or run here."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from analysis.drawing.palette import repeats
from analysis.evaluation.report_parts import ReportPart, to_html
from analysis.evaluation.results import FILE, read_results
from analysis.evaluation.row import Row
from analysis.evaluation.tasks.passkey import Passkey
from analysis.report import TITLE, lead, make_parts
from app.assets import RESULTS
from longsight.errors import LongSightError

SHIPPED = RESULTS / "embedded"
LINES, PAGE = FORMATS = ("jsonl", "html")
"""What can be saved of results."""


@dataclass(frozen=True)
class OpenedResults:
    """The name of a file, what is said of the whole run, and the tables and figures made of it.

    `content`: the file itself; `finished`: the keys of its finished cells; `refused`: why others could not be run, by
    theirs; `weights`: the models by name and digest.
    """

    name: str
    lead: Sequence[str]
    parts: Sequence[ReportPart]
    content: bytes
    finished: frozenset[str]
    refused: Mapping[str, str]
    weights: frozenset[tuple[str, str]]

    @property
    def choices(self) -> list[tuple[str, int]]:
        """The parts by title and place; of those that share a title, as with other trials or seeds, each with a
        number from the second on."""
        again = repeats([part.title for part in self.parts])
        return [
            (f"{part.title} ({times + 1})" if times else part.title, number)
            for number, (part, times) in enumerate(zip(self.parts, again, strict=True))
        ]

    def newest(self, task: str, model: str) -> int | None:
        """The place of what was last begun of a task and a model; None where nothing of that is here yet."""
        mine = [n for n, part in enumerate(self.parts) if (part.task, part.model) == (task, model)]
        return max((n for n in mine if self.parts[n].look == self.parts[mine[0]].look), default=None)

    def story(self, model: str) -> int:
        """The place of the part that tells most about a model: the keys that it found; of another model, where these
        are no results of this one."""
        mine = [n for n, part in enumerate(self.parts) if part.model == model] or [*range(len(self.parts))]
        return next((n for n in mine if self.parts[n].task == Passkey.key), mine[0])

    def counterpart(self, number: int, model: str) -> int:
        """The place of what part `number` is about, of another model; its story where there is no such part."""
        seen = self.parts[number]
        if model not in {part.model for part in self.parts}:
            return number
        alike = [n for n, part in enumerate(self.parts) if (part.task, part.model) == (seen.task, model)]
        before = [n for n, part in enumerate(self.parts) if (part.task, part.model) == (seen.task, seen.model)]
        place = before.index(number)
        return alike[place] if place < len(alike) else self.story(model)

    def known(self, number: Any) -> int:
        """The place of a part. Raises `LongSightError` when there is none."""
        if isinstance(number, bool) or not isinstance(number, int) or not 0 <= number < len(self.parts):
            raise LongSightError(f"There is no part {number!r} in these results; there are 0 to {len(self.parts) - 1}.")
        return number


def open_results(name: str, rows: Sequence[Row], content: bytes | None = None) -> OpenedResults:
    """`content`: the rows as they are written down, where they are. Raises `LongSightError` where nothing can be made
    of the rows."""
    written = b"".join(row.line() for row in rows) if content is None else content
    finished = frozenset(row.cell for row in rows if row.refused is None)
    refused = {row.cell: row.refused for row in rows if row.refused is not None}
    weights = frozenset((row.model.name, row.model.digest) for row in rows)
    try:
        return OpenedResults(name, lead(rows), make_parts(rows), written, finished, refused, weights)
    except (LookupError, TypeError, ValueError, ArithmeticError) as problem:
        found = f"{type(problem).__name__}, {problem}"
        raise LongSightError(f"{name} is no file of results that tables can be made of: {found}.") from problem


@cache
def shipped() -> OpenedResults | None:
    """The finished run of the embedded models, made by `make results`; None in a copy without it."""
    return open_results(FILE, read_results(SHIPPED), (SHIPPED / FILE).read_bytes()) if SHIPPED.exists() else None


def files(kind: str, mine: OpenedResults) -> tuple[str, dict[str, bytes]]:
    """The results as they are written down, or the report on them as a page that stands alone."""
    content = mine.content if kind == LINES else to_html(TITLE, mine.lead, mine.parts).encode()
    return "results", {FILE if kind == LINES else "report.html": content}
