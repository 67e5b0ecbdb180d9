"""Running an evaluation for a visitor: what it will take, how far it is, and its results as they come."""

import html
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from itertools import groupby

from analysis.evaluation.cell import EvaluationCell
from analysis.evaluation.results import FILE, read_rows
from analysis.evaluation.row import Row
from analysis.evaluation.score_table import label_of
from analysis.evaluation.tasks import Case, Outcome
from analysis.evaluation.worker import steps_on
from app.session import devices, evaluation_costs, evaluations, formatting, progress_view, running
from app.session.device_jobs import DeviceJob
from app.session.device_sharing import Waiting, in_turn
from app.session.evaluation_costs import EvaluationClock
from app.session.evaluations import EvaluationRequest
from app.session.opened_results import OpenedResults, open_results
from app.session.progress_view import DrawingPace
from app.session.sessions import Session
from longsight.errors import LongSightError
from longsight.generation.prefill import Chunk, StepSize
from longsight.models.model import Model
from longsight.progress import Progress, mapped

PAUSE = 0.4  # seconds between two drawings, at least


@dataclass(frozen=True)
class EvaluationView:
    """How things stand: a line for the visitor, the `task` at work, and the results, or None where they stay."""

    status: str
    task: str = ""
    results: OpenedResults | None = None


@dataclass(frozen=True, kw_only=True)
class CellProgress(Progress[Row]):
    """How far the cell of this `number` among those of its job is [tokens]; `result`: its row, once it is done."""

    number: int


def plan(session: Session, request: EvaluationRequest) -> str:
    """What is still to be done and how long that takes, in one sentence.

    Raises `LongSightError` where none of it can be run here.
    """
    model, cells, total = request.model, evaluations.missing(session, request.cells), len(request.cells)
    if not cells:
        return f"{'the cell is' if total == 1 else f'all {total:,} cells are'} done; another seed draws other cases"
    found, before = evaluation_costs.problems(session, model, cells), _refused(session, cells)
    told, done = found or before, total - len(cells)
    able = _able(cells, found) if not done else [cell for cell in cells if cell.key not in found]
    refused = f"; {len(told):,} cannot be run: {next(iter(told.values()))}" if told else ""
    if len(told) == len(cells):
        return f"{done:,} of {_many(total, 'cell')} are done{refused}"
    what = f"{len(cells):,} of {_many(total, 'cell')} are left" if done else _many(total, "cell")
    what += f", {_many(sum(cell.task.count(cell.trials) for cell in able), 'prompt')}"
    seconds = EvaluationClock(model, able).left(able)
    if seconds is None:
        return what + refused
    return f"{what}: {formatting.about(seconds)}{refused}"


def _many(count: int, thing: str) -> str:
    return f"{count:,} {thing}" if count == 1 else f"{count:,} {thing}s"


def _refused(session: Session, cells: Sequence[EvaluationCell]) -> dict[str, str]:
    """What was said of those of the cells that were tried and could not be run."""
    told = {} if session.results is None else session.results.refused
    return {cell.key: told[cell.key] for cell in cells if cell.key in told}


def _able(cells: Sequence[EvaluationCell], problems: Mapping[str, str]) -> list[EvaluationCell]:
    """Those that can be run. Raises `LongSightError` where none can."""
    able = [cell for cell in cells if cell.key not in problems]
    if cells and not able:
        raise LongSightError(next(iter(problems.values())))
    return able


def begun(session: Session, request: EvaluationRequest) -> bool:
    """Whether some of it is done, and not all."""
    return 0 < len(evaluations.missing(session, request.cells)) < len(request.cells)


def run_steps(session: Session, request: EvaluationRequest) -> Generator[EvaluationView, None, None]:
    """Run the cells that are missing, in turn at the device; yields views, the last when all is done or was stopped.

    What a cell gave is the visitor's, however the run ends; what a cell was at when it is stopped is not kept. Raises
    `LongSightError` where nothing can be run.
    """
    with running.at_work(session):
        work = _EvaluationWork(session, request)
        try:
            for _, group in groupby(work.cells, key=lambda cell: (cell.task, cell.length)):
                if session.stop.is_set():
                    break
                yield from work.group_steps([*group])
        finally:
            work.keep()
        work.check()
        yield EvaluationView(f"<span>{html.escape(plan(session, request))}</span>", work.task, session.results)


class _EvaluationWork:
    """An evaluation while it runs, and all results of its visitor."""

    def __init__(self, session: Session, request: EvaluationRequest) -> None:
        self.session, self.model, self.total = session, request.model, len(request.cells)
        self.cells = evaluations.missing(session, request.cells)
        self.problems = evaluation_costs.problems(session, self.model, self.cells)
        self.clock = EvaluationClock(self.model, _able(self.cells, self.problems))
        before = session.results
        rows = [] if before is None else read_rows(before.content, before.name)
        self.rows = {row.cell: row for row in rows}
        self.new = 0  # rows since they were kept
        self.task = ""  # the one at work
        self.drawings = DrawingPace(PAUSE)

    def group_steps(self, cells: Sequence[EvaluationCell]) -> Generator[EvaluationView, None, None]:
        """Run cells of one task and one length. Their cases are made here: no device waits for that."""
        self.task, able = cells[0].task.key, [cell for cell in cells if cell.key not in self.problems]
        cases: list[Case] = []
        try:
            for case in _each_case(self.model, able):
                yield EvaluationView(self._said(cells[0], 0.0, f"making prompt {len(cases) + 1:,}"), self.task)
                if self.session.stop.is_set():
                    return
                cases.append(case)
        except LongSightError as error:
            self.problems |= {cell.key: str(error) for cell in able}
        counted = able if devices.LENT else [cell for cell in self.cells if cell.key in self.clock.cells]
        job = DeviceJob(run_cells, (self.model, cells, cases, self.problems, StepSize()))
        left = partial(self.clock.left, counted)
        with closing(in_turn(self.model.device, self.session, self.session.stop.is_set, job, left)) as steps:
            for step in steps:
                if isinstance(step, Waiting):
                    yield EvaluationView(progress_view.progress_bar(f"{self._counted()} · {step}"), self.task)
                else:
                    yield from self._view(cells[step.number], step)

    def _view(self, cell: EvaluationCell, step: CellProgress) -> Generator[EvaluationView, None, None]:
        row = step.result
        if row is None:
            yield EvaluationView(self._said(cell, step.done / step.total, step.doing), self.task)
            return
        self.rows[row.cell], self.new = row, self.new + 1
        self.clock.finish(cell, row)
        if self.drawings.due():
            with self.drawings.drawing():
                self.keep()
                yield EvaluationView(self._said(cell, 1.0, step.doing), self.task, self.session.results)

    def keep(self) -> None:
        """Let the results so far be the visitor's."""
        if self.new and any(row.refused is None for row in self.rows.values()):
            self.session.results, self.new = open_results(FILE, [*self.rows.values()]), 0

    def check(self) -> None:
        """Raise `LongSightError` where every cell was refused."""
        told = [row.refused for row in self.rows.values()]
        if told and told[0] is not None and None not in told:
            raise LongSightError(told[0])

    def _counted(self) -> str:
        left = sum(cell.key not in self.rows or self.rows[cell.key].refused is not None for cell in self.cells)
        return f"{self.total - left:,} of {_many(self.total, 'cell')}"

    def _said(self, cell: EvaluationCell, done: float, doing: str) -> str:
        """A sentence with a bar, when `done` (0 to 1) of a cell is."""
        timed = cell.key in self.clock.cells
        part = self.clock.part(cell, done) if timed else None
        left = self.clock.seconds_to_go(cell, done) if timed else None
        what = f"{cell.task.title}, {label_of(cell.method)}, {cell.length:,} tokens: {doing}"
        parts = [self._counted(), what, *([] if left is None else [f"{formatting.duration(left)} left"])]
        return progress_view.progress_bar(" · ".join(parts), part)


def _each_case(model: Model, cells: Sequence[EvaluationCell]) -> Iterator[Case]:
    """Those that all of the cells share."""
    for cell in cells[:1]:
        yield from cell.task.each_case(model, cell.length, cell.trials, cell.seed)


def run_cells(
    model: Model, cells: Sequence[EvaluationCell], cases: Sequence[Case], problems: Mapping[str, str], chunk: Chunk
) -> Generator[CellProgress, None, None]:
    """Run cells that share their `cases`, those with `problems` (sentences by key) not at all: such a row only says so.
    Yields often, and each row once."""
    for number, cell in enumerate(cells):
        yield CellProgress(0, 1, number=number)
        made = partial(_made, cases, problems.get(cell.key, ""))
        row = yield from mapped(steps_on(model, cell, made, chunk), partial(_progress, number=number))
        yield CellProgress(1, 1, result=row, number=number)


def _made(cases: Sequence[Case], problem: str) -> Sequence[Case]:
    if problem:
        raise LongSightError(problem)
    return cases


def _progress(step: Progress[Outcome], number: int) -> CellProgress:
    return CellProgress(step.done, step.total, step.doing, number=number)
