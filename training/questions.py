"""Questions that a trained model is measured with beside pass keys: worded as in training, about other texts."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import ClassVar

import numpy as np

from analysis.evaluation.report_parts import ReportPart, ReportTable
from analysis.evaluation.row import Row
from analysis.evaluation.score_table import percent
from analysis.evaluation.tasks import Case, Facts, texts
from analysis.evaluation.tasks.base import Asking, option, tokenizer_of
from analysis.evaluation.tasks.hidden_key import digits, place
from longsight.generation.prompt import Message, chat_ids
from longsight.models.model import Model
from training import wording
from training.corpus import Corpus, CorpusText
from training.facts import Fact, named_fact

STATED, ASKED = "The key of the {name} is {value}.", "What is the key of the {name}?"


@dataclasses.dataclass(frozen=True)
class TextQuestion:
    """What is hidden in a text and asked about it.

    `value`: what the answer must hold; None: the text does not say. `before`: a question, and its answer, that are
    asked first.
    """

    statements: tuple[str, ...]
    question: str
    value: str | None
    before: tuple[str, str] | None = None

    def messages(self, text: str) -> list[Message]:
        """The conversation about a text that holds the statements."""
        if self.before is None:
            return [{"role": "user", "content": f"{text}\n\n{self.question}"}]
        first, answer = self.before
        return [
            {"role": "user", "content": f"{text}\n\n{first}"},
            {"role": "assistant", "content": answer},
            {"role": "user", "content": self.question},
        ]


def second_question(rng: np.random.Generator, words: Corpus) -> TextQuestion:
    """A question about another key after one that was answered rightly."""
    names, values = rng.choice(wording.NAMES, 2, replace=False), (digits(rng), digits(rng))
    stated = tuple(STATED.format(name=name, value=value) for name, value in zip(names, values, strict=True))
    return TextQuestion(stated, ASKED.format(name=names[1]), values[1], (ASKED.format(name=names[0]), stated[0]))


def who_where_what(rng: np.random.Generator, words: Corpus) -> TextQuestion:
    """One of three facts about invented people and things."""
    facts: dict[str, Fact] = {}
    while len(facts) < 3:
        fact = named_fact(rng, words)
        if fact.person and fact.value not in fact.form.questions[0]:
            facts.setdefault(fact.about, fact)
    asked = list(facts.values())[int(rng.integers(3))]
    return TextQuestion(tuple(fact.statement for fact in facts.values()), asked.form.questions[0], asked.value)


def no_key(rng: np.random.Generator, words: Corpus) -> TextQuestion:
    """A pass key is asked for that is not there."""
    return TextQuestion((), "What is the pass key?", None)


def no_such_name(rng: np.random.Generator, words: Corpus) -> TextQuestion:
    """A fourth key is asked for where there are three."""
    *names, missing = rng.choice(wording.NAMES, 4, replace=False)
    stated = tuple(STATED.format(name=name, value=digits(rng)) for name in names)
    return TextQuestion(stated, ASKED.format(name=missing), None)


KINDS: dict[str, Callable[[np.random.Generator, Corpus], TextQuestion]] = {
    "second-question": second_question,
    "who-where-what": who_where_what,
    "no-key": no_key,
    "no-such-name": no_such_name,
}


class QuestionFacts(Facts):
    """`question`: the last one."""

    question: str


@dataclasses.dataclass(frozen=True)
class QuestionCase(Case):
    """A case that knows its question."""

    facts: QuestionFacts = dataclasses.field(kw_only=True)


@dataclasses.dataclass(frozen=True)
class Questions(Asking):
    """A question about facts hidden in a text, or about one that is not there; a prompt with room for its answer has
    exactly the length asked for."""

    kind: str = option("second-question", "What is asked.", choices=tuple(KINDS))
    text: str = option(texts.PROSE, "What things are hidden in: prose, or a file or folder of texts.")

    key: ClassVar[str] = "questions"
    title: ClassVar[str] = "Questions"
    paper: ClassVar[str] = "training/README.md"
    look: ClassVar[str] = "Questions of the kinds that the model was taught, about texts that it was not trained on."
    scores: ClassVar[dict[str, str]] = {"right": "share of questions answered rightly"}
    case_facts: ClassVar[type[QuestionFacts]] = QuestionFacts
    room: ClassVar[int] = 40

    def cases(self, model: Model, length: int, trials: int, seed: int) -> list[QuestionCase]:
        return [self.case(model, length, trial, seed) for trial in range(trials)]

    def case(self, model: Model, length: int, trial: int, seed: int) -> QuestionCase:
        """One trial, the same whichever others are made beside it."""
        rng = np.random.default_rng([seed, length, trial])
        asked = KINDS[self.kind](rng, _words(self.text))

        def prompt(text: str) -> list[int]:
            return chat_ids(tokenizer_of(model), asked.messages(text))

        depths = rng.random(len(asked.statements)).tolist()
        tokens = length - self.room
        where = place(prompt, lambda: texts.passage(self.text, rng, 8 * length), depths, asked.statements, tokens)
        ids = tuple(prompt(where.holding(asked.statements)))
        answers = () if asked.value is None else (asked.value,)
        return QuestionCase(ids, answers, facts=QuestionFacts(question=asked.question))

    def score(self, case: Case, answer: str) -> dict[str, float | None]:
        return {"right": float(is_right(case.answers[0] if case.answers else None, answer))}

    @classmethod
    def report(cls, rows: Sequence[Row]) -> list[ReportPart]:
        """All kinds in one table for each model."""
        models = dict.fromkeys(row.model.name for row in rows if row.cases)
        return [cls._part(name, [row for row in rows if row.model.name == name and row.cases]) for name in models]

    @classmethod
    def _part(cls, model: str, rows: Sequence[Row]) -> ReportPart:
        head = ("question", "method", "tokens", "right", "of", "share")
        return ReportPart(f"Questions: {model}", cls.look, [ReportTable("Questions", head, tuple(map(_line, rows)))])


def _line(row: Row) -> tuple[str, ...]:
    right, kind = sum(case.scores["right"] or 0 for case in row.cases), str(row.task.options["kind"])
    share = percent(row.scores["right"])
    return kind, row.method.text, f"{row.length:,}", f"{right:.0f}", str(len(row.cases)), share


def is_right(value: str | None, answer: str) -> bool:
    """Right is the value and no other number; without a value, that the model does not know, and no number."""
    numbers = re.findall(r"\d+", answer)
    if value is None:
        return "I don't know" in answer and not numbers
    return value in answer and numbers in ([], [value])


@lru_cache(maxsize=2)
def _words(source: str) -> Corpus:
    """Where words for names are taken from."""
    return Corpus([CorpusText(str(n), text) for n, text in enumerate(texts.read_texts(source))])
