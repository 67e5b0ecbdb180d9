"""The questions that a trained model is measured with. Names, values and texts are drawn; the seed decides which."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Sequence

import numpy as np
from transformers import PreTrainedTokenizerBase

from longsight.generation.prompt import Message, chat_ids
from training import wording
from training.corpus import Corpus
from training.facts import named_fact
from training.hiding import insert, paper_filler

ANSWER_ROOM = 40  # tokens that an answer may take


@dataclasses.dataclass(frozen=True)
class TrainingQuestion:
    """Messages that end with a question, and the value that the answer must hold (none: the text does not say)."""

    messages: tuple[Message, ...]
    value: str | None

    def is_answered_by(self, answer: str) -> bool:
        """Right is the value and no other number; without a value, that the model does not know, and no number."""
        numbers = re.findall(r"\d+", answer)
        if self.value is None:
            return "I don't know" in answer and not numbers
        return self.value in answer and numbers in ([], [self.value])

    def is_lost_by(self, answer: str) -> bool:
        """Whether nothing that may follow could make it right: it holds a wrong number, written out."""
        if self.value is None:
            return bool(re.search(r"\d", answer))
        return re.findall(r"\d+(?=\D)", answer) not in ([], [self.value])


Ask = Callable[[np.random.Generator, int], TrainingQuestion]  # a seeded generator and the characters of the text


def fit(tokenizer: PreTrainedTokenizerBase, ask: Ask, tokens: int, seed: int | Sequence[int]) -> TrainingQuestion:
    """The longest question of this seed whose prompt leaves room for the answer inside `tokens` tokens."""
    size = characters(tokenizer, lambda size: ask(np.random.default_rng(seed), size), tokens)
    return ask(np.random.default_rng(seed), size)


def characters(tokenizer: PreTrainedTokenizerBase, ask: Callable[[int], TrainingQuestion], tokens: int) -> int:
    """The most characters of text (up to 8) with which a prompt leaves room for the answer inside `tokens` tokens."""
    low, high = 0, 8 * tokens
    while high - low > 8:
        middle = (low + high) // 2
        size = len(chat_ids(tokenizer, ask(middle).messages))
        low, high = (middle, high) if size <= tokens - ANSWER_ROOM else (low, middle)
    return low


def pass_key(rng: np.random.Generator, corpus: Corpus | None, characters: int, depth: float) -> TrainingQuestion:
    """The papers' pass key at a given depth (0 to 1) of a passage, or of the papers' filler when there is no corpus."""
    value = digits(rng)
    text = corpus.passage(rng, characters) if corpus else paper_filler(characters)
    return pass_key_in(text, value, depth)


def pass_key_in(text: str, value: str, depth: float) -> TrainingQuestion:
    """The papers' pass key at a given depth (0 to 1) of a text."""
    return _ask(insert(text, wording.PASS_KEY[0].format(value=value), depth), "What is the pass key?", value)


def named_key(rng: np.random.Generator, corpus: Corpus, characters: int, keys: int = 4) -> TrainingQuestion:
    """Several named keys at random depths of a passage, one of them asked for."""
    text, facts = _keys(rng, corpus, characters, keys)
    name, value = facts[int(rng.integers(keys))]
    return _ask(text, f"What is the key of the {name}?", value)


def second_turn(rng: np.random.Generator, corpus: Corpus, characters: int) -> TrainingQuestion:
    """A question about another key after one that was answered rightly."""
    text, facts = _keys(rng, corpus, characters, 2)
    (name, value), (other, wanted) = facts
    first = _ask(text, f"What is the key of the {name}?", value)
    answer = {"role": "assistant", "content": f"The key of the {name} is {value}."}
    return TrainingQuestion(
        (*first.messages, answer, {"role": "user", "content": f"What is the key of the {other}?"}), wanted
    )


def who_where_what(rng: np.random.Generator, corpus: Corpus, characters: int) -> TrainingQuestion:
    """One of three facts about invented people and things."""
    facts = {}
    while len(facts) < 3:
        fact = named_fact(rng, corpus)
        if fact.person and fact.value not in fact.form.questions[0]:
            facts.setdefault(fact.about, fact)
    text = corpus.passage(rng, characters)
    for fact in facts.values():
        text = insert(text, fact.statement, float(rng.random()))
    asked = list(facts.values())[int(rng.integers(3))]
    return _ask(text, asked.form.questions[0], asked.value)


def absent_key(rng: np.random.Generator, corpus: Corpus, characters: int) -> TrainingQuestion:
    """A passage without any key."""
    return _ask(corpus.passage(rng, characters), "What is the pass key?", None)


def absent_name(rng: np.random.Generator, corpus: Corpus, characters: int) -> TrainingQuestion:
    """A passage with three named keys, and a question for a fourth."""
    *names, missing = (str(name) for name in rng.choice(wording.NAMES, 4, replace=False))
    text = corpus.passage(rng, characters)
    for name in names:
        text = insert(text, f"The key of the {name} is {digits(rng)}.", float(rng.random()))
    return _ask(text, f"What is the key of the {missing}?", None)


def _keys(rng: np.random.Generator, corpus: Corpus, characters: int, keys: int) -> tuple[str, list[tuple[str, str]]]:
    names = [str(name) for name in rng.choice(wording.NAMES, keys, replace=False)]
    facts = [(name, digits(rng)) for name in names]
    depths = rng.random(keys)
    text = corpus.passage(rng, characters)
    for (name, value), depth in zip(facts, depths, strict=True):
        text = insert(text, f"The key of the {name} is {value}.", float(depth))
    return text, facts


def _ask(text: str, question: str, value: str | None) -> TrainingQuestion:
    return TrainingQuestion(({"role": "user", "content": f"{text}\n\n{question}"},), value)


def digits(rng: np.random.Generator) -> str:
    """A number of five digits."""
    return str(rng.integers(10_000, 100_000))
