"""What an answer amounts to, by measures that are said beside it: a key found or not, noise, or fluent words."""

import re
from collections.abc import Collection
from dataclasses import dataclass
from itertools import pairwise

from app.session import formatting
from longsight.methods import METHODS, Method

KEY = re.compile(r"\bpass ?key is (\d+)", re.IGNORECASE)
ASKED = re.compile(r"\bpass ?key\b", re.IGNORECASE)
WORD = re.compile(r"\w+")

NOISE, NOT_FOUND = "noise", "key not found"
FEWEST_LETTERS = 1 / 4
"""The part of the characters that are letters or digits in any text with words; tables and code have more."""
MOST_REPEATED, ENOUGH_WORDS = 0.5, 12
"""The part of its word pairs that a text may have written before, and the words from which on that tells something."""


@dataclass(frozen=True)
class Verdict:
    """A `word` or two, `why` in a few more, and the `mood`: `good` for what was hoped for, `bad` for the contrary."""

    word: str
    why: str
    mood: str = ""


def hidden_keys(text: str, question: str) -> frozenset[str]:
    """The pass keys that `text` hides, where the `question` asks for one."""
    return frozenset(KEY.findall(text)) if ASKED.search(question) else frozenset()


def verdict(answer: str, keys: Collection[str] = ()) -> Verdict:
    """Of a finished `answer`; `keys`: what it was asked to find, one of them at least."""
    noise = _noise(answer)
    if found := sorted(set(re.findall(r"\d+", answer)) & set(keys)):
        return Verdict("found the key", found[0], "good")
    if noise:
        return Verdict(f"{NOISE}, {NOT_FOUND}" if keys else NOISE, noise, "bad")
    if keys:
        return Verdict(NOT_FOUND, f"{' or '.join(sorted(keys)[:3])} is not in it", "bad")
    return Verdict("fluent", "words that do not repeat; whether they are true is not checked")


def lesson(method: Method, judged: Verdict, beside: Collection[Verdict], tokens: int, train_length: int) -> str:
    """What a failure of the model as it is shows; empty where a method was at work, the text is not too long, or the
    length need not be the reason: the answer is no noise, and those `beside` it are no better."""
    mended = any(other.mood == "good" for other in beside)
    if method.key != METHODS["vanilla"].key or judged.mood != "bad" or tokens <= train_length:
        return ""
    if not mended and NOISE not in judged.word:
        return ""
    return (
        f"This is the failure: the model as it is, at {formatting.times(tokens, train_length)} the "
        f"{train_length:,} tokens that it was trained on."
    )


def _noise(answer: str) -> str:
    """What shows that this is no text; empty where nothing does."""
    letters, words = sum(map(str.isalnum, answer)), WORD.findall(answer.lower())
    if not letters:
        return "no words at all"
    if letters < FEWEST_LETTERS * len(answer):
        return f"{letters:,} of {len(answer):,} characters are letters or digits"
    pairs = list(pairwise(words))
    repeated = len(pairs) - len(set(pairs))
    if len(words) >= ENOUGH_WORDS and repeated > MOST_REPEATED * len(pairs):
        return f"{repeated:,} of {len(pairs):,} word pairs were written before"
    return ""
