"""A pass key hidden in a long text (Mohtashami and Jaggi 2023, arXiv 2305.16300)."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from longsight.generation.prompt import chat_ids
from longsight.generation.text_encoding import encoder_of
from longsight.models.model import Model

from ..report_parts import ReportPart
from ..row import Row
from . import texts
from .base import Asking, Case, option, tokenizer_of
from .hidden_key import KeyCase, KeyFacts, difference, digits, place, tokens_saying
from .passkey_report import passkey_parts

PREAMBLE = (
    "There is an important info hidden inside a lot of irrelevant text. Find it and memorize it. "
    "I will quiz you about the important information there.\n\n"
)
STATEMENT = "The pass key is {value}. Remember it. {value} is the pass key."
QUESTION = "What is the pass key?"
ANSWER = "The pass key is"
NAMED = "The key of the {name} is {value}."
NAMED_QUESTION = "What is the key of the {name}?"
NAMED_ANSWER = "The key of the {name} is"

PLACES = tuple(
    "harbour garden castle tower bridge station library museum kitchen cellar attic temple lighthouse".split()
)
THINGS = tuple("window door gate chest drawer cupboard safe locker cabinet engine camera piano lamp box".split())

SINGLE, SEVERAL, PAIRS = "single", "several", "pairs"
OWN, CHAT, COMPLETION = "own", "chat", "completion"
STAND_IN = "#"
"""What stands where the key stood, to see which tokens are the key's."""


@dataclass(frozen=True)
class Passkey(Asking):
    """One key in a long text is asked for: a single one, one of several with names, or one of a text that is nothing
    but keys with names (key-value retrieval; Liu et al. 2023, arXiv 2307.03172).

    A prompt with room for its answer has exactly the length asked for. The key stands at the start of the sentence
    that its depth falls into, so that 0 is the very beginning and 1 the end. Each of `depths` depths gets as many
    trials as a cell is to have. The text is the same for all trials that share a passage, so that it is read once.
    """

    kind: str = option(SINGLE, "single: one pass key; several: keys with names; pairs: nothing but keys with names.",
                       choices=(SINGLE, SEVERAL, PAIRS))  # fmt: skip
    filler: str = option(texts.PAPER, "The text around it: paper, prose, or a file or folder of texts.")
    depths: int = option(5, "How many depths, evenly from the beginning to the end.", low=1)
    keys: int = option(4, "several: how many keys there are.", low=2, high=len(PLACES))
    passages: int = option(1, "How many different texts the trials of a cell are hidden in.", low=1)
    prompt: str = option(OWN, "chat: a question in the model's chat; completion: a text that ends where the answer "
                         "begins, as in the papers; own: what suits the model.",
                         choices=(OWN, CHAT, COMPLETION))  # fmt: skip

    key: ClassVar[str] = "passkey"
    title: ClassVar[str] = "Passkey"
    paper: ClassVar[str] = "LM-Infinite, table 2; SelfExtend, figure 3"
    look: ClassVar[str] = (
        "Keys found, by length and depth. Inside the trained length everything is found; beyond it a method finds what "
        "it can see, and only as far as it reaches."
    )
    scores: ClassVar[dict[str, str]] = {"found": "share of keys that were answered rightly"}
    case_facts: ClassVar[type[KeyFacts]] = KeyFacts
    room: ClassVar[int] = 24

    def prompt_for(self, model: Model) -> str:
        """`chat` or `completion`."""
        own = COMPLETION if model.completes else CHAT
        return own if self.prompt == OWN else self.prompt

    def count(self, trials: int) -> int:
        return trials * self.depths

    def readings(self, trials: int) -> float:
        return min(trials, self.passages) + trials * self.depths / 2  # a passage once, then each from its key on

    def cases(self, model: Model, length: int, trials: int, seed: int, text: str | None = None) -> list[KeyCase]:
        """`trials` cases for each depth, in `text` or the task's own filler."""
        return list(self.each_case(model, length, trials, seed, text))

    def each_case(
        self, model: Model, length: int, trials: int, seed: int, text: str | None = None
    ) -> Iterator[KeyCase]:
        depths = np.linspace(0, 1, self.depths).tolist() if self.depths > 1 else [0.5]
        return (self.case(model, length, depth, trial, seed, text) for trial in range(trials) for depth in depths)

    def case(self, model: Model, length: int, depth: float, trial: int, seed: int, text: str | None = None) -> KeyCase:
        """One trial, the same whichever others are made beside it."""
        own = np.random.default_rng([seed, length, trial, round(depth * 10_000)])
        shared = np.random.default_rng([seed, length, trial % self.passages])
        value, statement, (question, answer), others = self._facts(own)
        asked_by = self.prompt_for(model)

        def prompt(text: str) -> list[int]:
            if asked_by == COMPLETION:  # line by line as in the papers: after an empty line small models find no key
                completed = f"{PREAMBLE.rstrip()}\n{text}\n{question} {answer}"
                return encoder_of(tokenizer_of(model)).encode(completed, begins=True).ids.tolist()
            return chat_ids(tokenizer_of(model), [{"role": "user", "content": f"{PREAMBLE}{text}\n\n{question}"}])

        depths = [depth, *own.random(len(others)).tolist()]
        tokens, hidden = self.prompt_room(length), [statement, *others]
        where = place(prompt, lambda: self._filler(shared, 8 * length, text), depths, hidden, tokens)
        ids = prompt(where.holding(hidden))
        start, stop = difference(ids, prompt(where.holding([STAND_IN, *others])))
        said = tokens_saying(model, ids, start, stop, value)
        facts = KeyFacts(
            depth=depth, value=value, question=question, statement=[start, stop], tokens=said, prompt=asked_by
        )
        return KeyCase(tuple(ids), (value,), facts=facts)

    def _filler(self, rng: np.random.Generator, characters: int, text: str | None) -> str:
        if text is not None:
            return text
        if self.kind == PAIRS:
            return " ".join(NAMED.format(name=name, value=digits(rng)) for name in names(rng, characters // 40 + 1))
        return texts.passage(self.filler, rng, characters)

    def _facts(self, rng: np.random.Generator) -> tuple[str, str, tuple[str, str], list[str]]:
        """The value asked for, the statement that holds it, the question and how its answer begins, and other
        statements."""
        value = digits(rng)
        if self.kind == SINGLE:
            return value, STATEMENT.format(value=value), (QUESTION, ANSWER), []
        name, *others = rng.choice(PLACES, self.keys, replace=False).tolist()
        others = others if self.kind == SEVERAL else []
        more = [NAMED.format(name=other, value=digits(rng)) for other in others]
        asked = (NAMED_QUESTION.format(name=name), NAMED_ANSWER.format(name=name))
        return value, NAMED.format(name=name, value=value), asked, more

    def score(self, case: Case, answer: str) -> dict[str, float | None]:
        """Right is an answer whose first number is the key."""
        return {"found": float(re.findall(r"\d+", answer)[:1] == list(case.answers))}

    @classmethod
    def report(cls, rows: Sequence[Row]) -> list[ReportPart]:
        return passkey_parts(rows, cls.look)


def names(rng: np.random.Generator, count: int) -> list[str]:
    """Names for distractors, none of which is asked for: two words each, repeated when they run out."""
    pairs = [f"{place} {thing}" for place in PLACES for thing in THINGS]
    return [pairs[n] for _ in range(count // len(pairs) + 1) for n in rng.permutation(len(pairs))][:count]
