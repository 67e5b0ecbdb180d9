"""Irrelevant text, and statements hidden in it. Text only, no tokens."""

from __future__ import annotations

import dataclasses
import re

import numpy as np

from training import wording
from training.corpus import Corpus

SENTENCE_END = re.compile(r"[.!?][\"')]*\s|\n")
BEGINNING = 0.04  # depths below this are before everything: no sentence ends there


@dataclasses.dataclass(frozen=True)
class Placed:
    """A text with facts in it. `depths`: for each fact, the part of the filler (0 to 1) that stands before it."""

    text: str
    depths: tuple[float, ...]


def filler(rng: np.random.Generator, corpus: Corpus, characters: int) -> str:
    """Irrelevant text: the sentences of the papers, or a passage of the corpus."""
    characters = max(0, characters)
    if rng.random() < 0.25:
        return paper_filler(characters, start=int(rng.integers(len(wording.PAPER_FILLER))))
    return corpus.passage(rng, characters)


def paper_filler(characters: int, start: int = 0) -> str:
    """The five sentences of the papers over and over, in whole sentences, at most `characters` characters."""
    sentences: list[str] = []
    size = 0
    while True:
        sentence = wording.PAPER_FILLER[(start + len(sentences)) % len(wording.PAPER_FILLER)]
        size += len(sentence) + 1
        if size > characters + 1:
            return " ".join(sentences)
        sentences.append(sentence)


def place(rng: np.random.Generator, text: str, statements: list[str]) -> Placed:
    """Put statements into a text at uniformly random depths, mostly between sentences."""
    depths = sorted(float(depth) for depth in rng.random(len(statements)))
    cuts = [_cut(rng, text, depth) for depth in depths]
    parts: list[str] = []
    last = 0
    for cut, statement in zip(cuts, statements, strict=True):
        parts += [text[last:cut], statement]
        last = max(cut, last)
    parts.append(text[last:])
    gap = "\n\n" if rng.random() < 0.15 else " "
    pieces = [part.strip(" ") for part in parts]
    return Placed(gap.join(piece for piece in pieces if piece), tuple(cut / max(1, len(text)) for cut in cuts))


def whole_sentences(text: str) -> str:
    """The text up to its last end of a sentence, or all of it when it has none."""
    ends = [match.end() for match in re.finditer(r"[.!?][\"')]*(?=\s|$)", text)]
    return text[: ends[-1]] if ends else text.rstrip()


def _cut(rng: np.random.Generator, text: str, depth: float) -> int:
    """The end of the sentence at `depth`, or in a fifth of the cases of the word; if there is none, of the text."""
    if depth < BEGINNING:
        return 0
    wanted = int(depth * len(text))
    if rng.random() < 0.2:
        space = text.find(" ", wanted)
        return space if space >= 0 else len(text)
    found = SENTENCE_END.search(text, wanted)
    return found.end() if found else len(text)
