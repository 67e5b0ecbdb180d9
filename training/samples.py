"""What a model says, ungarnished: conversations for its card, always the same ones."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import ClassVar

import numpy as np

from analysis.evaluation.report_parts import ReportPart, ReportTable
from analysis.evaluation.row import Row
from analysis.evaluation.tasks import Case, Facts, texts
from analysis.evaluation.tasks.base import Asking, option, tokenizer_of
from analysis.evaluation.tasks.passkey import Passkey
from longsight.generation.prompt import chat_ids
from longsight.models.model import Model
from training.questions import Questions

GREETINGS = ("Hello", "What can you do?", "Who are you?", "Tell me a story.", "What is the capital of France?")
CONTINUE = "Continue the story."
ASKED = (
    ("four named keys in", "passkey", 23),
    ("four named keys in", "passkey", 24),
    ("a second question about", "second-question", 25),
    ("no key in", "no-key", 26),
    ("three other keys in", "no-such-name", 27),
)
"""What is said of it, the kind of question, and the seed."""


class SampleFacts(Facts):
    """`about`: what stood before the question, in words."""

    about: str
    question: str


@dataclasses.dataclass(frozen=True)
class Samples(Asking):
    """Inside the trained length talk, stories, answers and refusals; past it a key, and a story to continue."""

    text: str = option(texts.PROSE, "What things are hidden in: prose, or a file or folder of texts.")

    key: ClassVar[str] = "samples"
    title: ClassVar[str] = "Samples"
    paper: ClassVar[str] = "training/README.md"
    look: ClassVar[str] = "Ungarnished, greedy, each as it came."
    scores: ClassVar[dict[str, str]] = {}
    case_facts: ClassVar[type[SampleFacts]] = SampleFacts
    room: ClassVar[int] = 80

    def cases(self, model: Model, length: int, trials: int, seed: int) -> list[Case]:
        key = self._passkey(model, length, seed, "single", "a pass key half-way into", 21)
        if length > model.train_length:
            return [key, self._story(model, 6 * model.train_length, seed)]
        talk = [self._talk(model, "nothing", "", said) for said in GREETINGS]
        return [*talk, self._story(model, 900, seed), key, *(self._asked(model, length, seed, *each) for each in ASKED)]

    def _talk(self, model: Model, about: str, text: str, question: str) -> Case:
        said = f"{text}\n\n{question}" if text else question
        ids = chat_ids(tokenizer_of(model), [{"role": "user", "content": said}])
        return Case(tuple(ids), (), SampleFacts(about=about, question=question))

    def _story(self, model: Model, characters: int, seed: int) -> Case:
        text = texts.passage(self.text, np.random.default_rng([seed, characters]), characters)
        return self._talk(model, f"a passage of {len(text):,} characters", text, CONTINUE)

    def _passkey(self, model: Model, length: int, seed: int, kind: str, about: str, own: int) -> Case:
        case = Passkey(kind=kind, filler=self.text).case(model, length, 0.5, 0, seed + own)
        facts = SampleFacts(about=f"{about} {length:,} tokens", question=case.facts.question)
        return Case(case.ids, case.answers, facts)

    def _asked(self, model: Model, length: int, seed: int, about: str, kind: str, own: int) -> Case:
        if kind == Passkey.key:
            return self._passkey(model, length, seed, "several", about, own)
        case = Questions(kind=kind, text=self.text).case(model, length, 0, seed + own)
        facts = SampleFacts(about=f"{about} {length:,} tokens", question=case.facts.question)
        return Case(case.ids, case.answers, facts)

    def score(self, case: Case, answer: str) -> dict[str, float | None]:
        return {}

    @classmethod
    def report(cls, rows: Sequence[Row]) -> list[ReportPart]:
        """All that was said, in the order of the lengths."""
        said = [_line(row, n) for row in sorted(rows, key=lambda row: row.length) for n in range(len(row.cases))]
        head = ("before the question", "method", "question", "right", "the model's answer")
        return [ReportPart(cls.title, cls.look, [ReportTable("What it said", head, tuple(said))])] if said else []


def _line(row: Row, number: int) -> tuple[str, ...]:
    case = row.cases[number]
    facts = SampleFacts.model_validate(case.facts)
    return facts.about, row.method.text, facts.question, " or ".join(case.answers), " ".join(case.said.split())
