"""Facts that a text can state and a question can ask for. Text only, no tokens."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TypeVar

import numpy as np

from training import wording
from training.corpus import Corpus
from training.wording import Form

T = TypeVar("T")


@dataclasses.dataclass(frozen=True)
class Fact:
    """A form whose blanks are filled in: what a text can state and a question can ask for.

    `name` and `person` are whom it is about, so that facts can be made that are nearly the same.
    """

    statement: str
    form: Form
    name: str = ""
    person: str = ""

    @property
    def about(self) -> str:
        """Two facts of one text never agree in this."""
        return self.form.about

    @property
    def answer(self) -> str:
        return f"{self.form.subject} {self.form.tail}"

    @property
    def value(self) -> str:
        """What the answer adds to the question."""
        return self.form.tail.removesuffix(".")

    def ask(self, rng: np.random.Generator) -> str:
        return choose(rng, self.form.questions)


def pass_key_fact(rng: np.random.Generator) -> Fact:
    """A fact about the pass key, in one of many wordings."""
    return _fact(rng, wording.PASS_KEY_FORM, value=key_value(rng))


def named_fact(
    rng: np.random.Generator, corpus: Corpus, name: str = "", person: str = "", form: Form | None = None
) -> Fact:
    """A fact about a thing or a person, of the given name if there is one, and of the given one of `wording.THINGS`."""
    name, person = name or thing_name(rng, corpus), person or person_name(rng)
    if form or rng.random() < 0.7:
        form = form or thing_form(rng)
        blanks = {"value": key_value(rng), "attribute": choose(rng, wording.ATTRIBUTES)}
    else:
        form = choose(rng, wording.PEOPLE)
        thing = f"{choose(rng, wording.WORDS)} {choose(rng, wording.NAMES)}"
        blanks = {"place": place_name(rng), "thing": thing}
        blanks |= {"job": choose(rng, wording.JOBS), "colour": choose(rng, wording.COLOURS), "person": person}
    return _fact(rng, form, name=name, **blanks)


def thing_form(rng: np.random.Generator) -> Form:
    return wording.THINGS[int(rng.choice(len(wording.THINGS), p=(0.5, 0.2, 0.15, 0.15)))]


def several_facts(rng: np.random.Generator, corpus: Corpus, count: int) -> list[Fact]:
    """At most `count` facts that no question can confuse. Some share a name, and differ in what is said of it; or all
    say the same of different things."""
    facts: dict[str, Fact] = {}
    alike = thing_form(rng) if rng.random() < 0.3 else None
    for _ in range(count):
        twin = choose(rng, list(facts.values())) if facts and not alike and rng.random() < 0.25 else None
        fact = named_fact(rng, corpus, twin.name if twin else "", twin.person if twin else "", alike)
        facts.setdefault(fact.about, fact)
    return list(facts.values())


def missing_fact(rng: np.random.Generator, corpus: Corpus, stated: Sequence[Fact]) -> Fact:
    """A fact that none of the `stated` ones answers; half of them are about the same thing or person."""
    while True:
        twin = choose(rng, stated) if stated and rng.random() < 0.5 else None
        fact = named_fact(rng, corpus, twin.name if twin else "", twin.person if twin else "")
        if rng.random() < 0.3:
            fact = pass_key_fact(rng)
        if fact.about not in {other.about for other in stated}:
            return fact


def key_value(rng: np.random.Generator) -> str:
    """Mostly five digits, sometimes three to eight; sometimes few different ones, as in 44440; sometimes a word."""
    kind = rng.random()
    if kind < 0.1:
        return choose(rng, wording.WORDS)
    length = 5 if kind < 0.85 else int(rng.integers(3, 9))
    if rng.random() < 0.15:
        return "".join(str(digit) for digit in rng.choice(rng.integers(0, 10, 2), length))
    return str(rng.integers(1, 10)) + "".join(str(digit) for digit in rng.integers(0, 10, length - 1))


def thing_name(rng: np.random.Generator, corpus: Corpus) -> str:
    """A thing, often with a word before it; a third come from the corpus, so that any name can be asked for."""
    noun = choose(rng, wording.NAMES) if rng.random() < 0.67 else corpus.word(rng)
    kind = rng.random()
    if kind < 0.5:
        return noun
    before = choose(rng, wording.NAMES if kind < 0.7 else wording.QUALITIES if kind < 0.85 else wording.COLOURS)
    return f"{before} {noun}" if before != noun else noun


def person_name(rng: np.random.Generator) -> str:
    """An invented name, of one or two words."""
    first = syllables(rng, 2)
    return first if rng.random() < 0.5 else f"{first} {syllables(rng, int(rng.integers(1, 4)))}"


def place_name(rng: np.random.Generator) -> str:
    """An invented town."""
    name = syllables(rng, int(rng.integers(1, 3)))
    return name + choose(rng, wording.TOWN_ENDINGS) if rng.random() < 0.5 else name


def syllables(rng: np.random.Generator, count: int) -> str:
    parts = [choose(rng, part) for _ in range(count) for part in (wording.ONSETS, wording.VOWELS, wording.CODAS)]
    return "".join(parts).capitalize()


def choose(rng: np.random.Generator, options: Sequence[T]) -> T:
    return options[int(rng.integers(len(options)))]


def _fact(rng: np.random.Generator, form: Form, **blanks: str) -> Fact:
    filled = form.fill(**blanks)
    return Fact(choose(rng, filled.statements), filled, blanks.get("name", ""), blanks.get("person", ""))
