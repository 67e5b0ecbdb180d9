"""Statements hidden in a text, and where they stand among its tokens."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from longsight.models.model import Model

from .base import Case, Facts, tokenizer_of


class KeyFacts(Facts):
    """Where the key stands: `depth` from 0 at the beginning to 1 at the end; `statement`, the first token of what
    states it and the one after its last; `tokens`, the positions of its digits, wherever they are said."""

    depth: float
    value: str
    question: str
    statement: list[int]
    tokens: list[int]


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
