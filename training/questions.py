"""The questions that a trained model is measured with. Their wording is fixed; names, values and texts are drawn."""

from __future__ import annotations

import dataclasses
import re

import numpy as np
from transformers import PreTrainedTokenizerFast

from training import wording
from training.corpus import Corpus
from training.hiding import insert, paper_filler


@dataclasses.dataclass(frozen=True)
class Question:
    """Messages that end with a question, and the number that the answer must hold (none: the text does not say)."""

    messages: tuple[dict[str, str], ...]
    value: str | None

    def prompt(self, tokenizer: PreTrainedTokenizerFast) -> str:
        """The text that the model continues with its answer."""
        return tokenizer.apply_chat_template(list(self.messages), tokenize=False, add_generation_prompt=True)

    def is_answered_by(self, answer: str) -> bool:
        """Right is the number and no other one; without a number, exactly the sentence that the model was taught."""
        if self.value is None:
            return answer.strip() == wording.ABSENT
        return re.findall(r"\d+", answer) == [self.value]


def pass_key(rng: np.random.Generator, corpus: Corpus | None, characters: int, depth: float) -> Question:
    """The papers' pass key at a given depth (0 to 1) of a passage, or of the papers' filler when there is no corpus."""
    value = _digits(rng)
    text = corpus.passage(rng, characters) if corpus else paper_filler(characters)
    text = insert(text, wording.PASS_KEY[0].format(value=value), depth)
    return _ask(text, "What is the pass key?", value)


def named_key(rng: np.random.Generator, corpus: Corpus, characters: int, keys: int = 4) -> Question:
    """Several named keys at random depths of a passage, one of them asked for."""
    text, facts = _keys(rng, corpus, characters, keys)
    name, value = facts[int(rng.integers(keys))]
    return _ask(text, f"What is the key of the {name}?", value)


def second_turn(rng: np.random.Generator, corpus: Corpus, characters: int) -> Question:
    """A question about another key after one that was answered rightly."""
    text, facts = _keys(rng, corpus, characters, 2)
    (name, value), (other, wanted) = facts
    first = _ask(text, f"What is the key of the {name}?", value)
    answer = {"role": "assistant", "content": f"The key of the {name} is {value}."}
    return Question((*first.messages, answer, {"role": "user", "content": f"What is the key of the {other}?"}), wanted)


def absent_key(rng: np.random.Generator, corpus: Corpus, characters: int) -> Question:
    """A passage without any key."""
    return _ask(corpus.passage(rng, characters), "What is the pass key?", None)


def _keys(rng: np.random.Generator, corpus: Corpus, characters: int, keys: int) -> tuple[str, list[tuple[str, str]]]:
    names = [str(name) for name in rng.choice(wording.NAMES, keys, replace=False)]
    facts = [(name, _digits(rng)) for name in names]
    depths = rng.random(keys)
    text = corpus.passage(rng, characters)
    for (name, value), depth in zip(facts, depths, strict=True):
        text = insert(text, f"The key of the {name} is {value}.", float(depth))
    return text, facts


def _ask(text: str, question: str, value: str | None) -> Question:
    return Question(({"role": "user", "content": f"{text}\n\n{question}"},), value)


def _digits(rng: np.random.Generator) -> str:
    return str(rng.integers(10_000, 100_000))
