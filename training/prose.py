"""Bits per byte of held-out text inside the trained length, beside what gzip and a 5-gram model need for it."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import ClassVar

from analysis.evaluation.report_parts import ReportPart, ReportTable
from analysis.evaluation.row import Row
from analysis.evaluation.tasks import Case, Steps, texts
from analysis.evaluation.tasks.base import option, text_of
from analysis.evaluation.tasks.passages import CHUNK
from analysis.evaluation.tasks.perplexity import Perplexity
from longsight.generation.prefill import Chunk
from longsight.methods import Method
from longsight.models.model import Model
from training.baselines import Bytes, gzip_bits

SHOWN = {"bits_per_byte": "model", "five_gram": "5-gram", "gzip": "gzip -9"}


@dataclasses.dataclass(frozen=True)
class Prose(Perplexity):
    """As perplexity, with the bits per byte that others need for the same passages, gzip for all texts at once."""

    learned: str = option(texts.PROSE, "What the 5-gram model of bytes is learned from: a file of plain text.")

    key: ClassVar[str] = "bits-per-byte"
    title: ClassVar[str] = "Bits per byte"
    look: ClassVar[str] = (
        "Bits per byte of held-out passages inside the trained length; beside it a 5-gram model of bytes learned from "
        "the training texts, and `gzip -9`."
    )
    scores: ClassVar[dict[str, str]] = {
        **Perplexity.scores,
        "five_gram": "the same of a 5-gram model of bytes",
        "gzip": "the same of gzip -9 on all of the texts",
    }

    def steps(self, model: Model, method: Method, cases: Sequence[Case], chunk: Chunk = CHUNK) -> Steps:
        grams, packed = _learned(self.learned), gzip_bits("\n".join(texts.read_texts(self.text)))
        for step in super().steps(model, method, cases, chunk):
            if step.result is not None:
                text = text_of(model, cases[step.result.case].ids)
                scores = {**step.result.scores, "five_gram": grams.bits(text), "gzip": packed}
                step = dataclasses.replace(step, result=dataclasses.replace(step.result, scores=scores))
            yield step

    @classmethod
    def report(cls, rows: Sequence[Row]) -> list[ReportPart]:
        """All texts in one table for each model."""
        done = [row for row in rows if row.cases]
        return [
            cls._part(model, [row for row in done if row.model.name == model])
            for model in dict.fromkeys(row.model.name for row in done)
        ]

    @classmethod
    def _part(cls, model: str, rows: Sequence[Row]) -> ReportPart:
        head = ("texts", "method", "tokens", "passages", *SHOWN.values())
        body = tuple(
            (Path(str(row.task.options["text"])).stem, row.method.text, f"{row.length:,}", str(len(row.cases)),
             *(f"{row.scores[score]:.2f}" for score in SHOWN))
            for row in rows
        )  # fmt: skip
        return ReportPart(f"{cls.title}: {model}", cls.look, [ReportTable("Bits per byte", head, body)])


@lru_cache(maxsize=4)
def _learned(source: str) -> Bytes:
    return Bytes("\n".join(texts.read_texts(source)))
