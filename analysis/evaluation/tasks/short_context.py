"""Whether a method costs anything inside the trained length."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from longsight.generation.prefill import Chunk
from longsight.methods import METHODS, Method
from longsight.models.model import Model
from longsight.progress import Progress

from ..report_parts import Reported, ReportPart
from ..row import Row
from ..score_table import comparable, count_cases, in_words, score_of, score_table
from . import texts
from .base import Case, Outcome, Steps, Task, option
from .passages import CHUNK, PassageFacts, passages, read_on

SHORT = Reported(
    "SelfExtend, table 5, and LM-Infinite, section 4",
    ("method", "inside the trained length"),
    (("SelfExtend", "about the same as the model alone"), ("LM-Infinite", "exactly the model alone")),
)


@dataclass(frozen=True)
class ShortContext(Task):
    """Whether a method costs anything where none is needed: the same text with and without it."""

    text: str = option(texts.PROSE, "What is read: prose, paper, or a file or folder of texts.")

    key: ClassVar[str] = "short-context"
    title: ClassVar[str] = "Short context"
    paper: ClassVar[str] = "SelfExtend, table 5: short-context tasks"
    look: ClassVar[str] = "The difference to vanilla. Inside the trained length a method should cost nothing: 0."
    scores: ClassVar[dict[str, str]] = {
        "nll": "mean NLL of all tokens [nats]",
        "cost": "what the method adds to vanilla's [nats]",
        "largest": "largest difference at any token [nats]",
    }
    case_facts: ClassVar[type[PassageFacts]] = PassageFacts

    def cases(self, model: Model, length: int, trials: int, seed: int) -> list[Case]:
        return passages(model, self.text, length, trials, seed)

    def readings(self, trials: int) -> float:
        return 2.0 * trials

    def steps(self, model: Model, method: Method, cases: Sequence[Case], chunk: Chunk = CHUNK) -> Steps:
        done, total = 0, sum(method.keeps(len(case.ids)) + len(case.ids) for case in cases)
        for number, case in enumerate(cases):
            plain = yield from read_on(model, METHODS["vanilla"](), case.ids, done, total, chunk)
            done += len(case.ids)
            nll = yield from read_on(model, method, case.ids, done, total, chunk)
            done += method.keeps(len(case.ids))
            yield Progress(done, total, result=Outcome(number, self.score(case, np.stack([nll, plain]))))

    def score(self, case: Case, answer: np.ndarray) -> dict[str, float | None]:
        """`answer` (2, n) is the NLL [nats] of each token with the method, and under vanilla."""
        nll, plain = answer[:, np.isfinite(answer).all(0)]
        if not len(nll):
            return {"nll": None, "cost": None, "largest": None}
        return {"nll": float(nll.mean()), "cost": float((nll - plain).mean()), "largest": float(abs(nll - plain).max())}

    @classmethod
    def report(cls, rows: Sequence[Row]) -> list[ReportPart]:
        return [cls._part(group) for group in comparable(rows)]

    @classmethod
    def _part(cls, rows: Sequence[Row]) -> ReportPart:
        table = score_table(rows, "cost", score_of("cost"))
        caption = f"NLL added to vanilla's [nats per token], {count_cases(rows)}"
        shown = in_words(table, caption, lambda value: f"{value:+.4f}")
        return ReportPart(f"Inside the trained length: {table.model}", cls.look, [shown], reported=[SHORT])
