"""Going on with a text: how much of what really follows a model writes (LM-Infinite, figures 4 and 6)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from longsight.models.model import Model

from ..report_parts import ReportPart
from ..row import Row
from . import texts
from .base import Asking, Case, option, text_of
from .generation_report import generation_parts, trade_off_parts
from .passages import PassageFacts, passages


@dataclass(frozen=True)
class Generation(Asking):
    """The last `room` tokens of a passage are written by the model, greedily, and compared with the true ones.

    BLEU is sacrebleu's sentence BLEU (Post 2018, arXiv 1804.08771), ROUGE the F-measure of rouge-score (Lin 2004).
    """

    text: str = option(texts.PROSE, "What is continued: prose, paper, or a file or folder of texts.")

    key: ClassVar[str] = "generation"
    title: ClassVar[str] = "Generation"
    paper: ClassVar[str] = "LM-Infinite, figures 4 and 6"
    look: ClassVar[str] = (
        "How much of the true continuation is written. It should not fall as the text before it grows; what it costs "
        "is the processor time of reading and writing."
    )
    scores: ClassVar[dict[str, str]] = {
        "bleu": "sentence BLEU, 0 to 100",
        "rouge1": "ROUGE-1 F-measure, 0 to 1",
        "rougeL": "ROUGE-L F-measure, 0 to 1",
    }
    case_facts: ClassVar[type[PassageFacts]] = PassageFacts
    room: ClassVar[int] = 100
    stops: ClassVar[bool] = False

    def cases(self, model: Model, length: int, trials: int, seed: int) -> list[Case]:
        cut, whole = self.prompt_room(length), passages(model, self.text, length, trials, seed)
        return [Case(case.ids[:cut], (text_of(model, case.ids[cut:]),), case.facts) for case in whole]

    def score(self, case: Case, answer: str) -> dict[str, float | None]:
        return {**bleu(answer, case.answers[0]), **rouge(answer, case.answers[0])}

    @classmethod
    def report(cls, rows: Sequence[Row]) -> list[ReportPart]:
        return [*generation_parts(rows, cls.look), *trade_off_parts(rows)]


def bleu(answer: str, reference: str) -> dict[str, float]:
    """Sentence BLEU, 0 to 100."""
    from sacrebleu import sentence_bleu

    return {"bleu": sentence_bleu(answer, [reference]).score}


def rouge(answer: str, reference: str) -> dict[str, float]:
    """F-measures of ROUGE-1 and ROUGE-L, 0 to 1."""
    from rouge_score.rouge_scorer import RougeScorer

    found = RougeScorer(["rouge1", "rougeL"]).score(reference, answer)
    return {name: score.fmeasure for name, score in found.items()}
