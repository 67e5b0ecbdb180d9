"""How surprised a model is along a text."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from longsight.generation.prefill import Chunk
from longsight.methods import Method
from longsight.models.model import Model
from longsight.progress import Progress

from ..report_parts import ReportPart
from ..row import Row
from . import texts
from .ablation_report import ablation_parts
from .base import Case, Outcome, Steps, Task, option
from .groups_report import group_parts
from .passages import CHUNK, PassageFacts, bits_per_byte, known_mean, passages, read_on
from .perplexity_report import perplexity_parts


@dataclass(frozen=True)
class Perplexity(Task):
    """Negative log-likelihood along real prose: of all tokens, of the last ones before a milestone, band by band."""

    text: str = option(texts.PROSE, "What is read: prose, paper, or a file or folder of texts.")
    last: int = option(256, "How many tokens before the end make the milestone's perplexity.", low=1)
    band: int = option(256, "Tokens in a band of positions.", low=1)

    key: ClassVar[str] = "perplexity"
    title: ClassVar[str] = "Perplexity"
    paper: ClassVar[str] = "LM-Infinite, table 1 and figure 5"
    look: ClassVar[str] = (
        "How surprised the model is just before each length. It should stay as low as inside the trained length."
    )
    scores: ClassVar[dict[str, str]] = {
        "nll": "mean NLL of all tokens [nats]",
        "nll_last": "mean NLL of the last tokens [nats]; its exponential is the perplexity",
        "bits_per_byte": "bits that a byte of the text costs",
    }
    case_facts: ClassVar[type[PassageFacts]] = PassageFacts

    def cases(self, model: Model, length: int, trials: int, seed: int) -> list[Case]:
        return passages(model, self.text, length, trials, seed)

    def steps(self, model: Model, method: Method, cases: Sequence[Case], chunk: Chunk = CHUNK) -> Steps:
        done, total = 0, sum(method.keeps(len(case.ids)) for case in cases)
        for number, case in enumerate(cases):
            nll = yield from read_on(model, method, case.ids, done, total, chunk)
            done += method.keeps(len(case.ids))
            bands = [known_mean(nll[start : start + self.band]) for start in range(0, len(nll), self.band)]
            scores = {**self.score(case, nll), "bits_per_byte": bits_per_byte(model, case.ids, nll)}
            yield Progress(done, total, result=Outcome(number, scores, more={"bands": bands}))

    def score(self, case: Case, answer: np.ndarray) -> dict[str, float | None]:
        """`answer` (n,) is the NLL [nats] of each token."""
        return {"nll": known_mean(answer), "nll_last": known_mean(answer[-self.last :])}

    @classmethod
    def report(cls, rows: Sequence[Row]) -> list[ReportPart]:
        return [*perplexity_parts(rows, cls.look), *ablation_parts(rows), *group_parts(rows)]
