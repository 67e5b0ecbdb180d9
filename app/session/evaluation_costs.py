"""What the cells of an evaluation take: forecast, learnt from those that are done, and refused where it is too much."""

import time
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache

from analysis import runs
from analysis.evaluation.cell import EvaluationCell
from analysis.evaluation.row import Row
from app.session import estimate, suitability
from app.session.estimate import Speed, Work
from app.session.grid_runs import LESS
from app.session.sessions import Session
from longsight.errors import LongSightError
from longsight.methods import Method
from longsight.models.model import Model

SETTLING = 3.0  # seconds of work as it was forecast, beside which the first moments of a run weigh little


def speed(model: Model, cell: EvaluationCell) -> Speed:
    """How fast a model does a task: its pieces are the seconds that reading alone takes, and the tokens written."""
    return estimate.speed(model, f"evaluate {cell.task.key}")


def pieces(model: Model, cell: EvaluationCell) -> tuple[float, float] | None:
    """What `speed` counts of a cell; None while nobody knows how fast the model reads."""
    method = runs.read_one(model, cell.method, cell.length)
    tokens, pairs = _reading(method, tuple(model.seam.rules(method)), cell.length)
    readings = cell.task.readings(cell.trials)
    seconds = estimate.speed(model).seconds(readings * tokens, readings * pairs)
    return None if seconds is None else (seconds, float(cell.task.written(cell.trials)))


@lru_cache(maxsize=4096)
def _reading(method: Method, rules: tuple[Method, ...], length: int) -> tuple[int, float]:
    """Tokens and pairs of reading one text of so many tokens."""
    kept = method.keeps(length)
    return kept, estimate.pairs(method, kept, rules=rules)


def seconds(model: Model, cell: EvaluationCell) -> float | None:
    """Forecast of a cell; before the task was ever done, of what is known of it."""
    found = pieces(model, cell)
    if found is None:
        return None
    known = speed(model, cell)
    return known.seconds(*found) if known.samples else found[0] + (estimate.write_seconds(model, int(found[1])) or 0.0)


def learn(model: Model, cell: EvaluationCell, row: Row) -> None:
    """A cell is done."""
    found = pieces(model, cell)
    if found is not None and row.refused is None:
        speed(model, cell).add(*found, max(float(row.run.seconds), 1e-6))


def problems(session: Session, model: Model, cells: Sequence[EvaluationCell]) -> dict[str, str]:
    """Why cells cannot be run here and now, by their keys."""
    found = {}
    by_method: dict[str, list[EvaluationCell]] = {}
    for cell in cells:
        method = runs.read_one(model, cell.method, cell.length)
        try:
            suitability.check(model, method)
            estimate.check_memory(model, method, cell.length)
            by_method.setdefault(cell.method, []).append(cell)
        except LongSightError as error:
            found[cell.key] = str(error)
    for able in by_method.values():
        method = runs.read_one(model, able[0].method, able[0].length)
        try:
            estimate.check_time(model, method, _work(model, able), _seconds_of(model, able), session)
        except LongSightError as error:
            found |= {cell.key: str(error) for cell in able}
    return found


def _seconds_of(model: Model, cells: Sequence[EvaluationCell]) -> float | None:
    return estimate.total(seconds(model, cell) for cell in cells)


def _work(model: Model, cells: Sequence[EvaluationCell]) -> Work:
    """All cells of one method."""
    lengths = sorted({cell.length for cell in cells})
    between = f"{lengths[0]:,} to {lengths[-1]:,}" if len(lengths) > 1 else f"{lengths[0]:,}"
    count = f"{len(cells):,} cells" if len(cells) > 1 else "one cell"

    def others(method: Method) -> float | None:
        return _seconds_of(model, [replace(cell, method=method.key) for cell in cells])

    return Work(f"{count} of {between} tokens", lengths[-1], LESS, others)


class EvaluationClock:
    """How much of an evaluation is done, by what its cells cost, and how long the rest takes. Cells that are done say
    what those of their task cost that are not, and all that was done how fast this machine is just now."""

    def __init__(self, model: Model, cells: Sequence[EvaluationCell]) -> None:
        self.model, self.cells = model, {cell.key: cell for cell in cells}
        self.took: dict[str, float] = {}  # seconds of those that are done, by their keys
        self.forecast = {key: seconds(model, cell) for key, cell in self.cells.items()}
        self.began = time.perf_counter()

    def finish(self, cell: EvaluationCell, row: Row) -> None:
        """A cell is done: the others are forecast anew."""
        learn(self.model, cell, row)
        if cell.key in self.cells:
            self.took[cell.key] = float(row.run.seconds)
        for key in self.cells.keys() - self.took.keys():
            if self.cells[key].task == cell.task:
                self.forecast[key] = seconds(self.model, self.cells[key])

    def left(self, cells: Sequence[EvaluationCell]) -> float | None:
        """Forecast of what those of `cells` take that are not done [seconds]."""
        return estimate.total(self.forecast[cell.key] for cell in cells if cell.key not in self.took)

    def part(self, cell: EvaluationCell, done: float) -> float:
        """How much of everything is done (0 to 1), with so much of a cell."""
        behind, ahead = self._split(cell, done)
        return behind / ((behind + ahead) or 1.0)

    def seconds_to_go(self, cell: EvaluationCell, done: float) -> float | None:
        """What is left by forecast, as much slower as what is done was, others' turns included; None at first where
        nothing was forecast."""
        behind, ahead = self._split(cell, done)
        elapsed = time.perf_counter() - self.began
        if self._known:
            return ahead * (elapsed + SETTLING) / (behind + SETTLING)
        return elapsed * ahead / behind if behind > 0.01 * (behind + ahead) else None

    @property
    def _known(self) -> bool:
        return None not in self.forecast.values()

    def _split(self, cell: EvaluationCell, done: float) -> tuple[float, float]:
        """What lies behind with so much of a cell, and what lies ahead: [seconds], or tokens where nobody knows."""
        if self._known:
            costs = {key: self.took.get(key, found or 0.0) for key, found in self.forecast.items()}
        else:
            costs = {key: each.length * each.task.readings(each.trials) for key, each in self.cells.items()}
        behind = sum(costs[key] for key in self.took) + (0.0 if cell.key in self.took else done * costs[cell.key])
        return behind, sum(costs.values()) - behind
