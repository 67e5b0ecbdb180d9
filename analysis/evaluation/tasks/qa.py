"""Reading questions: facts stated in passing in a novel, or Qasper's questions about research papers."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import ClassVar

import numpy as np

from longsight.generation.prompt import chat_ids
from longsight.models.model import Model

from ..report_parts import Reported, ReportPart
from ..row import Row
from ..score_report import lines_figure
from ..score_table import comparable, count_cases, in_words, percent, score_of, score_table, titled
from . import texts
from .base import Asking, Case, Facts, option, tokenizer_of
from .hidden_key import digits, insert
from .kept import kept_comment
from .passkey import PLACES
from .qasper import QasperQuestion, normalised, read_qasper, token_f1

MADE = "made"
"""Questions that are made here."""

STATEMENT = "The {attribute} of the {name} is {value}."
QUESTION = "What is the {attribute} of the {name}?"
WORDS = "apple river silver orange summer thunder velvet copper pepper willow falcon tiger comet anchor ribbon".split()
VALUES = {"code": digits, "number": digits, "password": None, "secret": None, "colour": None}
"""What can be asked for, and how its value is drawn; None: a word."""

QASPER = Reported(
    "LM-Infinite, Llama-2-7b-chat: Qasper F1 [%]",
    ("vanilla", "truncation", "LM-Infinite + top-k"),
    (("1.2", "30.1", "31.3"),),
)
SAYS = "In the paper vanilla loses all of it, and LM-Infinite is a little better than a cut text."


class ReadingFacts(Facts):
    """`depth`: where the fact stands, of a made question; `id`: Qasper's own name of the question."""

    question: str
    depth: float | None = None
    id: str | None = None


@dataclass(frozen=True)
class QA(Asking):
    """A question about a text; the answer is scored by its words (token F1), by the best of several references.

    Made questions ask for one of several facts that are hidden in real prose; their prompts with room for the answer
    have exactly the length asked for. Qasper's papers are cut to it from the end where they are longer.
    """

    source: str = option(MADE, 'made, a Qasper file in the original JSON, or "hub" for Qasper on the Hub.')
    facts: int = option(4, "made: how many facts there are.", low=1, high=len(PLACES))

    key: ClassVar[str] = "qa"
    title: ClassVar[str] = "Reading questions"
    paper: ClassVar[str] = "LM-Infinite, table 2: Qasper"
    look: ClassVar[str] = (
        "Token F1 with what should be answered. Beyond the trained length only what is seen can be told."
    )
    scores: ClassVar[dict[str, str]] = {
        "f1": "token F1 with the best reference, 0 to 1",
        "exact": "share of answers that are a reference, after normalisation",
    }
    case_facts: ClassVar[type[ReadingFacts]] = ReadingFacts
    room: ClassVar[int] = 32

    def cases(self, model: Model, length: int, trials: int, seed: int) -> list[Case]:
        return list(self.each_case(model, length, trials, seed))

    def each_case(self, model: Model, length: int, trials: int, seed: int) -> Iterator[Case]:
        if self.source == MADE:
            return (self._made(model, length, np.random.default_rng([seed, length, trial])) for trial in range(trials))
        questions = _read(self.source)
        order = np.random.default_rng(seed).permutation(len(questions))[:trials]
        return (self._asked(model, length, questions[n]) for n in order)

    def _made(self, model: Model, length: int, rng: np.random.Generator) -> Case:
        filler = texts.passage(texts.PROSE, rng, 8 * length)
        facts = self._facts(rng)
        attribute, name, value = facts[int(rng.integers(len(facts)))]
        question = QUESTION.format(attribute=attribute, name=name)
        said = [STATEMENT.format(attribute=a, name=n, value=v) for a, n, v in facts]

        def prompt(size: int) -> list[int]:
            return ask(model, insert(filler[:size], [min(cut, size) for cut in cuts], said), question)

        cuts = [0] * len(said)
        size = texts.fit(prompt, self.prompt_room(length), len(filler))
        cuts = [
            texts.sentence_start(filler, round(place * max(size - texts.SLACK, 0))) for place in rng.random(len(said))
        ]
        size = texts.fit(prompt, length - self.room, len(filler), guess=size)
        sentence = STATEMENT.format(attribute=attribute, name=name, value=value)
        depth = cuts[said.index(sentence)] / max(size, 1)
        return Case(tuple(prompt(size)), (sentence, value), ReadingFacts(question=question, depth=round(depth, 3)))

    def _facts(self, rng: np.random.Generator) -> list[tuple[str, str, str]]:
        """Attributes of different things, and their values."""
        names = rng.choice(PLACES, self.facts, replace=False).tolist()
        attributes = rng.choice(list(VALUES), len(names)).tolist()
        drawn = [VALUES[attribute] for attribute in attributes]
        values = [str(rng.choice(WORDS)) if draw is None else draw(rng) for draw in drawn]
        return list(zip(attributes, names, values, strict=True))

    def _asked(self, model: Model, length: int, asked: QasperQuestion) -> Case:
        room = self.prompt_room(length)
        facts = ReadingFacts(question=asked.question, id=asked.name)
        whole = ask(model, asked.text, asked.question)
        if len(whole) <= room:
            return Case(tuple(whole), asked.answers, facts)
        size = texts.fit(lambda n: ask(model, asked.text[:n], asked.question), room, len(asked.text))
        return Case(tuple(ask(model, asked.text[:size], asked.question)), asked.answers, facts)

    def score(self, case: Case, answer: str) -> dict[str, float | None]:
        exact = normalised(answer) in [normalised(reference) for reference in case.answers]
        return {"f1": token_f1(answer, case.answers), "exact": float(exact)}

    @classmethod
    def report(cls, rows: Sequence[Row]) -> list[ReportPart]:
        return [cls._part(group) for group in comparable(rows)]

    @classmethod
    def _part(cls, rows: Sequence[Row]) -> ReportPart:
        table = score_table(rows, "token F1", score_of("f1"))
        return ReportPart(
            titled("Reading questions", table.task, table.model),
            cls.look,
            [in_words(table, f"Token F1, {count_cases(rows)}", percent)],
            {f"qa-{table.model}": lines_figure(table, "F1")},
            [QASPER],
            [kept_comment(table, SAYS)],
        )


def ask(model: Model, text: str, question: str) -> list[int]:
    """The prompt that asks `question` about `text`."""
    return chat_ids(tokenizer_of(model), [{"role": "user", "content": f"{text}\n\n{question}"}])


_read = cache(read_qasper)
