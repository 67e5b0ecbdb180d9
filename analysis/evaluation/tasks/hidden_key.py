"""Statements hidden in a text, and where they stand among its tokens."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from longsight.models.model import Model

from . import texts
from .base import Case, Facts, tokenizer_of

TEXTS_TRIED = 8


class KeyFacts(Facts):
    """Where the key stands: `depth` from 0 at the beginning to 1 at the end; `statement`, the first token of what
    states it and the one after its last; `tokens`, the positions of its digits, wherever they are said; `prompt`, how
    the key was asked for: in a chat, as long as nothing else was known, or by a text to complete."""

    depth: float
    value: str
    question: str
    statement: list[int]
    tokens: list[int]
    prompt: str = "chat"


@dataclass(frozen=True)
class KeyCase(Case):
    """A case that knows where its key stands."""

    facts: KeyFacts = field(kw_only=True)


def digits(rng: np.random.Generator) -> str:
    """Five digits, as in the papers."""
    return str(rng.integers(10_000, 100_000))


def insert(text: str, cuts: Sequence[int], statements: Sequence[str]) -> str:
    """`text` with each statement before the sentence that begins at its cut."""
    for cut, _, statement in sorted(zip(cuts, range(len(cuts)), statements, strict=True), reverse=True):
        before, after = text[:cut], text[cut:]
        gap = "" if not before or before[-1].isspace() else " "
        text = f"{before}{gap}{statement} {after}" if after else f"{before}{gap}{statement}"
    return text


@dataclass(frozen=True)
class HidingPlace:
    """Irrelevant text, and after which of its characters statements are to stand in it."""

    filler: str
    cuts: tuple[int, ...]

    def holding(self, statements: Sequence[str]) -> str:
        """The text with a statement at each of its places."""
        return insert(self.filler, self.cuts, statements)


def place(
    make: Callable[[str], Sequence[int]],
    draw: Callable[[], str],
    depths: Sequence[float],
    statements: Sequence[str],
    tokens: int,
) -> HidingPlace:
    """Where to hide statements, so that `make` makes exactly `tokens` token ids of the text that holds them.

    Each stands at the start of the sentence that its depth (0 to 1) falls into. `draw` gives irrelevant text; it is
    asked for another where no amount of one is exact. Raises `LongSightError` as `texts.fit` does.
    """
    for _ in range(TEXTS_TRIED - 1):
        try:
            return _place(make, draw(), depths, statements, tokens)
        except texts.NoExactFitError:
            continue
    return _place(make, draw(), depths, statements, tokens)


def _place(
    make: Callable[[str], Sequence[int]],
    filler: str,
    depths: Sequence[float],
    statements: Sequence[str],
    tokens: int,
) -> HidingPlace:
    def prompt(size: int, cuts: Sequence[int]) -> Sequence[int]:
        return make(insert(filler[:size], cuts, statements))

    size = texts.fit(lambda n: prompt(n, [0] * len(statements)), tokens, len(filler))
    wanted = [min(round(depth * size), max(size - texts.SLACK, 0)) for depth in depths]
    cuts = [texts.sentence_start(filler, each) for each in wanted]
    size = texts.fit(lambda n: prompt(max(n, *cuts, 0), cuts), tokens, len(filler), guess=size)
    return HidingPlace(filler[: max(size, *cuts, 0)], tuple(cuts))


def difference(ids: Sequence[int], other: Sequence[int]) -> tuple[int, int]:
    """The range of `ids` outside of which the two are the same."""
    shortest = min(len(ids), len(other))
    start = next((n for n in range(shortest) if ids[n] != other[n]), shortest)
    same = next((n for n in range(shortest - start) if ids[-1 - n] != other[-1 - n]), shortest - start)
    return start, len(ids) - same


def tokens_saying(model: Model, ids: Sequence[int], start: int, stop: int, value: str) -> list[int]:
    """The positions from `start` to `stop` whose tokens spell `value`, wherever it is said."""
    tokenizer = tokenizer_of(model)
    pieces = [tokenizer.decode([token]) for token in ids[start:stop]]
    ends = np.cumsum([len(piece) for piece in pieces])
    said = [found.span() for found in re.finditer(re.escape(value), "".join(pieces))]
    return [
        start + n
        for n, end in enumerate(ends)
        if any(end > first and end - len(pieces[n]) < last for first, last in said)
    ]
