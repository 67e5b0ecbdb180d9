"""Conversations to learn from: questions about facts hidden in a text, and a little talk. Text only, no tokens.

Every generator takes a random generator, a corpus and the wanted size of the text in characters.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from training import small_talk, wording
from training.corpus import Corpus
from training.facts import Fact, choose, missing_fact, pass_key_fact, several_facts
from training.hiding import filler, place, whole_sentences

ROOM = 110  # characters that a further question and its answer take
PRESENT = 0.8  # part of the questions whose answer is in the text


@dataclasses.dataclass(frozen=True)
class TaughtTurn:
    """A question, with the text before it, and its answer in pieces.

    Every second piece, from the second on, decides: it is a value, or a refusal. The others restate what was asked.
    """

    user: str
    pieces: tuple[str, ...]

    @property
    def answer(self) -> str:
        return "".join(self.pieces)


def conversation(rng: np.random.Generator, corpus: Corpus, characters: int) -> list[TaughtTurn]:
    """One training conversation of about `characters` characters."""
    kinds = (pass_key, reading, exchanges, story)
    kind = rng.choice(len(kinds), p=(0.24, 0.56, 0.12, 0.08))
    return kinds[kind](rng, corpus, characters)


def pass_key(rng: np.random.Generator, corpus: Corpus, characters: int) -> list[TaughtTurn]:
    """The papers' task: one pass key somewhere in irrelevant text, or none in a tenth of the cases."""
    fact = pass_key_fact(rng)
    statements = [fact.statement] if rng.random() < 0.9 else []
    placed = place(rng, filler(rng, corpus, characters - len(fact.statement)), statements)
    return [TaughtTurn(_join(rng, placed.text, fact.ask(rng), preamble=0.25), _answer(fact, bool(statements)))]


def reading(rng: np.random.Generator, corpus: Corpus, characters: int) -> list[TaughtTurn]:
    """Several facts in a text and one to six questions about them, now and then two or three at once."""
    turns = int(rng.choice((1, 2, 3, 4, 5, 6), p=(0.3, 0.25, 0.15, 0.1, 0.1, 0.1)))
    turns = max(1, min(turns, characters // (2 * ROOM)))
    room = characters - (turns - 1) * ROOM
    facts = several_facts(rng, corpus, int(rng.integers(2, 3 + max(1, min(4, room // 100)))))
    if rng.random() < 0.3:
        facts[0] = pass_key_fact(rng)
    size = sum(len(fact.statement) + 1 for fact in facts)
    placed = place(rng, filler(rng, corpus, room - size), [fact.statement for fact in facts])
    facts = [facts[place] for place in rng.permutation(len(facts))]
    first, *rest = (_question(rng, corpus, facts, turn) for turn in range(turns))
    talk = [TaughtTurn(_join(rng, placed.text, first.user, preamble=0.2), first.pieces), *rest]
    if rng.random() < 0.08:
        talk.append(_said(rng, small_talk.THANKS))
    return talk


def exchanges(rng: np.random.Generator, corpus: Corpus, characters: int) -> list[TaughtTurn]:
    """Up to six short exchanges; sometimes there is a text, of which something is asked that the model cannot do."""
    if rng.random() < 0.15:
        asked = _said(rng, small_talk.OVER_A_TEXT)
        return [TaughtTurn(_join(rng, corpus.passage(rng, characters), asked.user, preamble=0), asked.pieces)]
    count = max(1, min(int(rng.integers(1, 7)), characters // 120))
    return [_said(rng, choose(rng, small_talk.EXCHANGES)) for _ in range(count)]


def story(rng: np.random.Generator, corpus: Corpus, characters: int) -> list[TaughtTurn]:
    """A story, or the continuation of a text."""
    greeting = [_said(rng, small_talk.EXCHANGES[0])] if rng.random() < 0.2 else []
    if rng.random() < 0.45:
        told = wording.STORY_BEGINNING + whole_sentences(corpus.opening(rng, characters))
        return [*greeting, TaughtTurn(choose(rng, wording.STORY_REQUESTS), (told,))]
    passage = corpus.passage(rng, characters)
    cut = passage.find(" ", int(len(passage) * rng.uniform(0.2, 0.8)))
    cut = cut if cut > 0 else len(passage) // 2
    request = _join(rng, passage[:cut], choose(rng, wording.CONTINUATIONS), preamble=0)
    return [*greeting, TaughtTurn(request, (whole_sentences(passage[cut:].lstrip()),))]


def _question(rng: np.random.Generator, corpus: Corpus, facts: Sequence[Fact], turn: int) -> TaughtTurn:
    """A question about one to three facts, each of them stated or not. Turns mostly ask about different facts."""
    count = 1 if rng.random() < 0.75 else int(rng.integers(2, 4))
    asked: dict[str, tuple[Fact, bool]] = {}
    for _ in range(count):
        present = rng.random() < PRESENT
        again = choose(rng, facts) if asked or rng.random() < 0.3 else facts[turn % len(facts)]
        fact = again if present else missing_fact(rng, corpus, facts)
        asked.setdefault(fact.about, (fact, present))
    questions = " ".join(fact.ask(rng) for fact, _ in asked.values())
    first, *rest = (_answer(fact, present) for fact, present in asked.values())
    return TaughtTurn(questions, (*first, *(piece for subject, tail in rest for piece in (f" {subject}", tail))))


def _answer(fact: Fact, present: bool) -> tuple[str, str]:
    return fact.form.subject, " " + (fact.form.tail if present else fact.form.absent)


def _said(rng: np.random.Generator, exchange: tuple[tuple[str, ...], str]) -> TaughtTurn:
    return TaughtTurn(choose(rng, exchange[0]), ("", exchange[1]))


def _join(rng: np.random.Generator, text: str, question: str, preamble: float) -> str:
    """One user turn: the text, a blank line, the question."""
    opening = choose(rng, wording.PREAMBLES) + choose(rng, (" ", "\n\n")) if rng.random() < preamble else ""
    return opening + text + ("\n\n" if rng.random() < 0.85 else choose(rng, (" ", "\n"))) + question
