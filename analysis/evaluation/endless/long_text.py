"""Texts of any size, read into tokens one after the other and again: never more than one of them is in memory."""

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from longsight.errors import LongSightError
from longsight.generation.prefill import Chunk
from longsight.generation.text_encoding import TextEncoder
from longsight.progress import Progress

from ...documents.reading_files import read_path

LoadIds = Callable[[], Generator[Progress[None], None, np.ndarray]]
"""Makes the ids (n,) of a text anew each time, step by step."""


@dataclass(frozen=True)
class LongText:
    """A text by its `name`, of `size` bytes (a text of another size is another text), whose ids are made when they are
    wanted."""

    name: str
    size: int
    load: LoadIds


def text_of_file(encoder: TextEncoder, path: Path) -> LongText:
    """A file that is read as a text whenever its turn comes. Raises `LongSightError` where there is no such file."""

    def load() -> Generator[Progress[None], None, np.ndarray]:
        return (yield from encoder.steps(read_path(path).text)).ids

    try:
        return LongText(path.name, path.stat().st_size, load)
    except OSError as problem:
        raise LongSightError(f"{path} cannot be read: {problem.strerror}.") from problem


@dataclass(frozen=True)
class TextPlace:
    """Where the next token stands: in which `lap` over all texts, in which of them, and at which `token` of it; `read`
    tokens of the lap lie before it."""

    lap: int = 0
    text: int = 0
    token: int = 0
    read: int = 0

    def after(self, tokens: int) -> "TextPlace":
        """Further on in the same text."""
        return TextPlace(self.lap, self.text, self.token + tokens, self.read + tokens)

    def next_text(self, texts: int) -> "TextPlace":
        """At the beginning of the next of so many texts; after the last one they begin again."""
        if self.text + 1 < texts:
            return TextPlace(self.lap, self.text + 1, 0, self.read)
        return self.next_lap()

    def next_lap(self) -> "TextPlace":
        return TextPlace(self.lap + 1)


@dataclass(frozen=True)
class TextPiece:
    """Consecutive ids (n,) of one text from a `place` on, all of them of one lap, and the place of what comes then."""

    ids: np.ndarray
    place: TextPlace
    then: TextPlace

    def cut(self, tokens: int) -> "TextPiece":
        """At most so many tokens of it."""
        return self if tokens >= len(self.ids) else TextPiece(self.ids[:tokens], self.place, self.place.after(tokens))


def piece_steps(
    texts: Sequence[LongText], place: TextPlace, chunk: Chunk, lap: int | None
) -> Generator[Progress[None] | TextPiece, None, None]:
    """Pieces of up to `chunk` tokens from `place` on, without end; between them, how far a text is made ids of.

    A lap ends where the texts do, or after `lap` tokens. Raises `LongSightError` for a text without a token.
    """
    while True:
        text, begun = texts[place.text], place
        ids = yield from text.load()
        if not len(ids):
            raise LongSightError(f"{text.name} has no token in it; give texts with words.")
        while (place.lap, place.text) == (begun.lap, begun.text):
            here, size = place, chunk if isinstance(chunk, int) else chunk.tokens
            size = min(size, len(ids) - place.token)
            if lap is not None:
                size = min(size, lap - place.read)
            place = here.after(size)
            if place.read == lap:
                place = place.next_lap()
            elif place.token == len(ids):
                place = place.next_text(len(texts))
            yield TextPiece(ids[here.token : here.token + size], here, place)
