"""Filling a grid of pass keys: what it will take, how far it is, and views of it as it goes."""

import time
from collections.abc import Generator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from analysis.evaluation.passkey_grid import GridProgress, TrialGrid, fill_steps
from app.session import estimate, formatting, progress_view, running, suitability
from app.session.device_jobs import DeviceJob
from app.session.device_sharing import Waiting
from app.session.estimate import Work
from app.session.passkey_grids import GridRequest, continued
from app.session.progress_view import DrawingPace
from app.session.sessions import Session
from app.session.shown_grid import ShownGrid
from longsight.errors import LongSightError
from longsight.generation.prefill import StepSize
from longsight.methods import Method
from longsight.models.model import Model

TASK = "passkey"
PAUSE = 0.4  # seconds between two drawings, at least
LESS = "Choose fewer or shorter lengths, or fewer trials"


def plan(request: GridRequest, grid: TrialGrid) -> str:
    """What is still to be done and how long that takes, in one sentence."""
    left = grid.found.size - grid.done
    if not left:
        return f"all {grid.done:,} trials are done; another seed draws other keys"
    what = f"{left:,} trials" if not grid.done else f"{left:,} of {grid.found.size:,} trials are left"
    work = [
        _cost(grid, request.model, run.method, n, length)
        for n, run in enumerate(request.runs)
        for length in _places(grid)
    ]
    known = estimate.speed(request.model, TASK)
    guide = known if known.samples else estimate.speed(request.model)
    seconds = [guide.seconds(*cost) for cost in work if cost[0]]
    if any(part is None for part in seconds):
        return what
    total = sum(part for part in seconds if part is not None)
    return f"{what}: {formatting.about(total)}"


def _places(grid: TrialGrid) -> range:
    return range(len(grid.length))


def _cost(grid: TrialGrid, model: Model, method: Method, number: int, length: int) -> tuple[float, float]:
    """Tokens and pairs of the missing trials of one method and one length: the text once, then from each key on."""
    missing = np.isnan(grid.found[number, length]).sum(-1)
    if not missing.any():
        return 0.0, 0.0
    rules, tokens = model.seam.rules(method), int(grid.length[length])
    costs = [_tail(method, rules, tokens)]
    costs += [_tail(method, rules, tokens, d) for d, n in zip(grid.depth.tolist(), missing, strict=True)
              for _ in range(n)]  # fmt: skip
    return sum(tokens for tokens, _ in costs), sum(pairs for _, pairs in costs)


@lru_cache(maxsize=8192)
def _tail(method: Method, rules: tuple[Method, ...], length: int, depth: float | None = None) -> tuple[float, float]:
    """Tokens and pairs from a depth of the text to its end; none where that is cut off. Without a depth: of all."""
    kept = method.keeps(length)
    reused = 0 if depth is None else round(depth * length) - (length - kept)
    if reused < 0:
        return 0.0, 0.0
    reused = min(reused, kept - 1)
    return kept - reused, estimate.pairs(method, kept, reused, rules)


@dataclass(frozen=True)
class GridView:
    """How things stand: a line for the visitor, and the grid as it is now, or None where that stays.

    `working`: the id of the run at work, `part` (0 to 1) of a length done.
    """

    status: str
    grid: ShownGrid | None = None
    working: str = ""
    part: float = 0.0


def run_steps(session: Session, request: GridRequest) -> Generator[GridView, None, None]:
    """Fill the grid for the visitor, in turn at the device; yields views, the last when all is done or stopped."""
    grid = continued(session, request)
    clock = _Clock(request, grid)
    mine = ShownGrid(grid, _problems(session, request, clock))
    skipped = [place for place, run in enumerate(request.runs) if run.id in mine.problems]
    job = DeviceJob(fill_steps, (request.model, mine.grid, request.text, skipped, StepSize()))
    drawings, last = DrawingPace(PAUSE), None
    for step in running.run_steps(session, request.model.device, job, clock.left):
        if isinstance(step, Waiting):
            clock.shared = step
            if last is None:
                yield GridView(progress_view.progress_bar(str(step)))
            continue
        session.grid, last = mine, step
        run = request.runs[step.method]
        if step.problem:
            mine.problems[run.id] = step.problem
        if step.result is not None:
            mine.latest[run.id] = step.result
        clock.tick(step)
        if drawings.due():
            with drawings.drawing():
                mine.grid = step.record()
                yield GridView(clock.said(step, mine.grid), mine, run.id, step.done / step.total)
    if last is None:  # stopped while others were at the device: what stood here before stays
        yield GridView(f"<span>{plan(request, mine.grid)}</span>")
        return
    mine.grid = last.record()
    yield GridView(f"<span>{plan(request, mine.grid)}</span>", mine)


def _problems(session: Session, request: GridRequest, clock: "_Clock") -> dict[str, str]:
    """Why runs cannot read the longest text, or not while others wait, by their ids."""
    problems, longest = {}, int(request.grid.length[-1])
    for number, run in enumerate(request.runs):
        try:
            suitability.check(request.model, run.method)
            estimate.check_memory(request.model, run.method, longest)
            work = Work(f"its trials with up to {longest:,} tokens", longest, LESS)
            estimate.check_time(request.model, run.method, work, clock.seconds(number), session)
        except LongSightError as error:
            problems[run.id] = str(error)
    return problems


class _Clock:
    """How much of a run is done, by what its parts cost, and how fast it has been."""

    def __init__(self, request: GridRequest, grid: TrialGrid) -> None:
        self.model = request.model
        self.costs = {
            (number, length): _cost(grid, request.model, run.method, number, length)
            for number, run in enumerate(request.runs) for length in _places(grid)
        }  # fmt: skip
        self.guide = estimate.speed(request.model)
        self.shared = Waiting(0)
        self.before: list[tuple[int, int]] = []
        self.at: tuple[int, int] | None = None
        self.began = self.entered = time.perf_counter()

    def tick(self, step: GridProgress) -> None:
        """Follow a run; what one method took for one length is learnt from when it goes on to the next."""
        where = (step.method, step.length)
        if where != self.at:
            self._leave()
            self.at, self.entered = where, time.perf_counter()

    def _leave(self) -> None:
        if self.at is not None and self.costs[self.at][0]:
            self.before.append(self.at)
            tokens, pairs = self.costs[self.at]
            estimate.speed(self.model, TASK).add(int(tokens), pairs, time.perf_counter() - self.entered)

    def seconds(self, number: int) -> float | None:
        """Forecast of all missing trials of one run."""
        return estimate.total(self.guide.seconds(*cost) for (run, _), cost in self.costs.items() if run == number)

    def left(self) -> float | None:
        """Forecast of what the current length and those after it take."""
        return estimate.total(self.guide.seconds(*cost) for at, cost in self.costs.items() if at not in self.before)

    def said(self, step: GridProgress, grid: TrialGrid) -> str:
        """A sentence with a bar."""
        weights = {where: self._weight(cost) for where, cost in self.costs.items()}
        done = sum(weights[where] for where in self.before) + step.done / step.total * weights[step.method, step.length]
        part = done / max(sum(weights.values()), 1e-9)
        left = (time.perf_counter() - self.began) * (1 / part - 1) if part > 0.01 else None
        parts = [f"{grid.done:,} of {grid.found.size:,} trials", f"{step.doing} {grid.length[step.length]:,} tokens"]
        if left is not None:
            parts.append(f"{formatting.duration(left)} left")
        return progress_view.progress_bar(" · ".join(parts), part)

    def _weight(self, cost: tuple[float, float]) -> float:
        seconds = self.guide.seconds(*cost)
        return cost[0] if seconds is None else seconds
