"""Results of an evaluation, opened: those that ship with the project, or a visitor's own."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from analysis.evaluation.report_parts import ReportPart
from analysis.evaluation.results import FILE, read_results
from analysis.evaluation.row import Row
from analysis.evaluation.tasks.passkey import Passkey
from analysis.report import lead, make_parts
from app.assets import RESULTS
from longsight.errors import LongSightError

SHIPPED = RESULTS / "embedded"


@dataclass(frozen=True)
class OpenedResults:
    """The name of a file, what is said of the whole run, and the tables and figures made of it."""

    name: str
    lead: Sequence[str]
    parts: Sequence[ReportPart]

    @property
    def choices(self) -> list[tuple[str, int]]:
        """The parts by title and place; two may share a title."""
        return [(part.title, number) for number, part in enumerate(self.parts)]

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


def open_results(name: str, rows: Sequence[Row]) -> OpenedResults:
    """Raises `LongSightError` where nothing can be made of the rows."""
    try:
        return OpenedResults(name, lead(rows), make_parts(rows))
    except (LookupError, TypeError, ValueError, ArithmeticError) as problem:
        found = f"{type(problem).__name__}, {problem}"
        raise LongSightError(f"{name} is no file of results that tables can be made of: {found}.") from problem


@cache
def shipped() -> OpenedResults | None:
    """The finished run of the embedded models, made by `make results`; None in a copy without it."""
    return open_results(FILE, read_results(SHIPPED)) if SHIPPED.exists() else None
