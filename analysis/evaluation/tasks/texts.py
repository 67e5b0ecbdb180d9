"""Irrelevant text that things are hidden in, and prompts of an exact length.

Text only; a tokenizer is met through the function that makes token ids of a prompt.
"""

import logging
import re
from collections.abc import Callable, Sequence
from functools import cache
from importlib.resources import files
from pathlib import Path

import numpy as np

from longsight.errors import LongSightError

from ...documents.file_text import NoWordsError
from ...documents.reading_files import ENDINGS, read_path

log = logging.getLogger(__name__)

PAPER, PROSE = "paper", "prose"

SENTENCES = (
    "The grass is green.",
    "The sky is blue.",
    "The sun is yellow.",
    "Here we go.",
    "There and back again.",
)
"""The filler of Mohtashami and Jaggi 2023 (arXiv 2305.16300), which every later paper uses."""

SHIPPED = files(__package__.rpartition("analysis")[0] + "assets") / "samples" / "dracula.txt"
HIDDEN = re.compile(r"The pass key is (\d+)\. Remember it\. \1 is the pass key\. ")
"""What the shipped example documents hide in their prose."""

SENTENCE_END = re.compile(r"[.!?][\"'”’)]*\s+")
SLACK = 80
"""Characters after the last hidden sentence, by which the length of a prompt is made exact."""

Make = Callable[[int], Sequence[int]]
"""Characters of filler -> the token ids of a prompt with that much of it."""


@cache
def read_texts(source: str) -> tuple[str, ...]:
    """The texts named by `source`: "prose" is a novel that ships with the project, anything else a file that
    `analysis.documents` reads, or a folder with such files anywhere below it. What is to be said of them is logged."""
    if source == PROSE:
        return (_without_keys(SHIPPED.read_text(encoding="utf-8")),)
    path = Path(source)
    try:
        texts = _folder(path) if path.is_dir() else [_read(path)]
    except LongSightError as problem:
        raise LongSightError(f"{problem} As a text, give {PAPER}, {PROSE}, or a file or folder of texts.") from problem
    if not texts:
        raise LongSightError(f"{source!r} has no words in it; give {PAPER}, {PROSE}, or a file or folder of texts.")
    return tuple(map(_without_keys, texts))


def _folder(path: Path) -> list[str]:
    """The texts of all files below a folder that have words."""
    texts = []
    for file in sorted(file for file in path.rglob("*") if file.suffix.lower() in ENDINGS):
        try:
            texts.append(_read(file))
        except NoWordsError as problem:
            log.warning("Passed over: %s", problem)
    return texts


def _read(file: Path) -> str:
    read = read_path(file)
    if read.note:
        log.warning("%s: %s", file, read.said)
    return read.text


def _without_keys(text: str) -> str:
    return HIDDEN.sub("", text)


def draw_text(source: str, rng: np.random.Generator, characters: int) -> str:
    """One of the texts of `source` that have so many characters, a longer one more often; else its longest."""
    texts = read_texts(source)
    if len(texts) == 1:
        return texts[0]
    enough = [text for text in texts if len(text) >= characters] or [max(texts, key=len)]
    ends = np.cumsum([len(text) for text in enough])
    return enough[int(np.searchsorted(ends, rng.integers(ends[-1]), side="right"))]


def passage(source: str, rng: np.random.Generator, characters: int) -> str:
    """At most `characters` characters of filler, from the start of a sentence."""
    if source == PAPER:
        start = int(rng.integers(len(SENTENCES)))
        around = " ".join(SENTENCES[start:] + SENTENCES[:start]) + " "
        return (around * (characters // len(around) + 1))[:characters]
    return part_of(draw_text(source, rng, characters), rng, characters)


def ending(source: str, rng: np.random.Generator, characters: int) -> str:
    """At most `characters` characters of a text before a place that is drawn from its last third."""
    text = passage(PAPER, rng, characters) if source == PAPER else draw_text(source, rng, 2 * characters)
    end = len(text) if source == PAPER else int(rng.integers(len(text) * 2 // 3, len(text) + 1))
    return text[max(end - characters, 0) : end]


def part_of(text: str, rng: np.random.Generator, characters: int) -> str:
    """At most `characters` characters of `text`, from the start of a sentence where one is near."""
    start = int(rng.integers(max(len(text) - characters, 0) + 1))
    ends = [found.end() for found in SENTENCE_END.finditer(text, max(start - 1000, 0), start)]
    return text[ends[-1] if ends else start :][:characters]


def sentence_start(text: str, wanted: int) -> int:
    """The start of the sentence that character `wanted` lies in: 0, or just after the end of another."""
    ends = [found.end() for found in SENTENCE_END.finditer(text, max(wanted - 2000, 0), wanted)]
    if ends or wanted <= 2000:
        return ends[-1] if ends else 0
    return text.rfind(" ", 0, wanted) + 1


class NoExactFitError(LongSightError):
    """No amount of a text makes a prompt of exactly the length asked for; another text may."""


def fit(make: Make, tokens: int, most: int, guess: int | None = None) -> int:
    """How many characters of filler, of at most `most`, make a prompt of exactly `tokens` tokens.

    Raises `LongSightError` when even no filler is too much, all of it too little, or no amount exact.
    """
    low, high = 0, most
    size = len(make(0))
    if size > tokens:
        raise LongSightError(
            f"A prompt of {tokens:,} tokens was asked for, but the question alone takes {size:,}; choose a longer one."
        )
    at = min(guess if guess is not None else 4 * tokens, most)
    while high - low > 1:
        found = len(make(at))
        if found == tokens:
            return at
        low, high = (at, high) if found < tokens else (low, at)
        step = round((tokens - found) * max(at, 1) / max(found, 1))
        at = at + step if step and low < at + step < high else (low + high) // 2
    for at in range(max(low - SLACK // 2, 0), min(high + SLACK // 2, most) + 1):
        if len(make(at)) == tokens:
            return at
    if high == most:
        raise LongSightError(
            f"The text has {most:,} characters, which make {len(make(most)):,} tokens of {tokens:,}; give a longer one."
        )
    raise NoExactFitError(f"No part of the text makes a prompt of exactly {tokens:,} tokens; try another length.")
