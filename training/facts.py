"""Facts that a text can state and a question can ask for. Text only, no tokens."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TypeVar

import numpy as np

from training import wording
from training.corpus import Corpus

T = TypeVar("T")


@dataclasses.dataclass(frozen=True)
class Fact:
    """Something that a text can state and a question can ask for."""

    statement: str
    questions: tuple[str, ...]
    answer: str
    value: str

    def ask(self, rng: np.random.Generator) -> str:
        return choose(rng, self.questions)


def pass_key_fact(rng: np.random.Generator) -> Fact:
    """A fact about the pass key, in one of many wordings."""
    value = key_value(rng)
    statement = choose(rng, wording.PASS_KEY).format(value=value)
    return Fact(statement, wording.PASS_KEY_QUESTIONS, wording.PASS_KEY_ANSWER.format(value=value), value)


def named_fact(rng: np.random.Generator, corpus: Corpus) -> Fact:
    """A fact about a named thing; half of the names come from the corpus, so that any name can be asked for."""
    name = choose(rng, wording.NAMES) if rng.random() < 0.5 else corpus.word(rng)
    statements, questions, answer = wording.NAMED[int(rng.choice(3, p=(0.5, 0.3, 0.2)))]
    blanks = {"name": name, "value": key_value(rng), "attribute": choose(rng, wording.ATTRIBUTES)}
    asked = tuple(question.format(**blanks) for question in questions)
    return Fact(choose(rng, statements).format(**blanks), asked, answer.format(**blanks), blanks["value"])


def key_value(rng: np.random.Generator) -> str:
    """Mostly five digits, sometimes three to eight, sometimes a word."""
    kind = rng.random()
    if kind < 0.1:
        return choose(rng, wording.WORDS)
    length = 5 if kind < 0.85 else int(rng.integers(3, 9))
    return str(rng.integers(1, 10)) + "".join(str(digit) for digit in rng.integers(0, 10, length - 1))


def several_facts(rng: np.random.Generator, corpus: Corpus, characters: int) -> list[Fact]:
    count = int(rng.integers(1, 2 + max(1, min(5, characters // 120))))
    facts = {fact.answer.split(" is ")[0]: fact for fact in (named_fact(rng, corpus) for _ in range(count))}
    return list(facts.values())


def choose(rng: np.random.Generator, options: Sequence[T]) -> T:
    return options[int(rng.integers(len(options)))]
