"""Conversations to learn from: questions about facts hidden in a text, and a little talk. Text only, no tokens.

Every generator takes a random generator, a corpus and the wanted size of the text in characters.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from training import wording
from training.corpus import Corpus
from training.facts import Fact, choose, named_fact, pass_key_fact, several_facts
from training.hiding import filler, place, whole_sentences


@dataclasses.dataclass(frozen=True)
class Turn:
    """A question, with the text before it, and its answer. `scored`: the answer is a fact, and weighs more."""

    user: str
    answer: str
    scored: bool = True


def conversation(rng: np.random.Generator, corpus: Corpus, characters: int) -> list[Turn]:
    """One training conversation of about `characters` characters."""
    kinds = (pass_key, named_keys, several_turns, absent, talk)
    kind = rng.choice(len(kinds), p=(0.42, 0.26, 0.20, 0.05, 0.07))
    return kinds[kind](rng, corpus, characters)


def pass_key(rng: np.random.Generator, corpus: Corpus, characters: int) -> list[Turn]:
    """The papers' task: one pass key somewhere in irrelevant text."""
    fact = pass_key_fact(rng)
    placed = place(rng, filler(rng, corpus, characters - len(fact.statement)), [fact.statement])
    return [_about(rng, placed.text, fact)]


def named_keys(rng: np.random.Generator, corpus: Corpus, characters: int) -> list[Turn]:
    """Several facts about different things, one of them asked for."""
    facts = several_facts(rng, corpus, characters)
    placed = place(rng, filler(rng, corpus, characters - _size(facts)), [fact.statement for fact in facts])
    return [_about(rng, placed.text, choose(rng, facts))]


def several_turns(rng: np.random.Generator, corpus: Corpus, characters: int) -> list[Turn]:
    """Two or three questions about one text; sometimes the same one again."""
    facts = several_facts(rng, corpus, characters)
    if rng.random() < 0.5:
        facts[0] = pass_key_fact(rng)
    placed = place(rng, filler(rng, corpus, characters - _size(facts) - 80), [fact.statement for fact in facts])
    asked = [choose(rng, facts) for _ in range(int(rng.integers(2, 4)))]
    return [_about(rng, placed.text, asked[0])] + [Turn(fact.ask(rng), fact.answer) for fact in asked[1:]]


def absent(rng: np.random.Generator, corpus: Corpus, characters: int) -> list[Turn]:
    """The text does not state what is asked for, though it may state other facts."""
    missing = pass_key_fact(rng) if rng.random() < 0.5 else named_fact(rng, corpus)
    others = [
        fact for fact in several_facts(rng, corpus, characters) if fact.answer.split(" is ")[0] not in missing.answer
    ]
    others = others[: int(rng.integers(len(others) + 1))]
    placed = place(rng, filler(rng, corpus, characters - _size(others)), [fact.statement for fact in others])
    return [Turn(_join(rng, placed.text, missing.ask(rng), preamble=0.1), wording.ABSENT)]


def talk(rng: np.random.Generator, corpus: Corpus, characters: int) -> list[Turn]:
    """A greeting, a story, or the continuation of a text."""
    kind = rng.random()
    if kind < 0.3:
        return [Turn(*choose(rng, wording.SMALL_TALK), scored=False)]
    if kind < 0.55:
        return [
            Turn(choose(rng, wording.STORY_REQUESTS), whole_sentences(corpus.opening(rng, characters)), scored=False)
        ]
    passage = corpus.passage(rng, characters)
    cut = passage.find(" ", int(len(passage) * rng.uniform(0.2, 0.8)))
    cut = cut if cut > 0 else len(passage) // 2
    request = _join(rng, passage[:cut], choose(rng, wording.CONTINUATIONS), preamble=0)
    return [Turn(request, whole_sentences(passage[cut:].lstrip()), scored=False)]


def _about(rng: np.random.Generator, text: str, fact: Fact) -> Turn:
    return Turn(_join(rng, text, fact.ask(rng), preamble=0.25), fact.answer)


def _join(rng: np.random.Generator, text: str, question: str, preamble: float) -> str:
    """One user turn: the text, a blank line, the question."""
    opening = choose(rng, wording.PREAMBLES) + choose(rng, (" ", "\n\n")) if rng.random() < preamble else ""
    return opening + text + ("\n\n" if rng.random() < 0.85 else choose(rng, (" ", "\n"))) + question


def _size(facts: list[Fact]) -> int:
    return sum(len(fact.statement) + 1 for fact in facts)
