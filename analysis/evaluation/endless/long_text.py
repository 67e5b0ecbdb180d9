"""Texts of any size, read into tokens one after the other and again: never more than some of their ids are held."""

from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from longsight.errors import LongSightError
from longsight.generation.prefill import Chunk
from longsight.generation.text_encoding import TextEncoder
from longsight.progress import Progress

from ...documents.plain_pieces import text_pieces

LoadIds = Callable[[], Iterator[Progress[None] | np.ndarray]]
"""Makes the ids of a text anew each time: yields some of them (n,), from first to last, and how far it is."""


@dataclass(frozen=True)
class LongText:
    """A text by its `name`, of `size` bytes (a text of another size is another text), whose ids are made when they are
    wanted."""

    name: str
    size: int
    load: LoadIds


def text_of_file(encoder: TextEncoder, path: Path) -> LongText:
    """A file that is read as a text whenever its turn comes. Raises `LongSightError` where there is no such file."""

    def load() -> Iterator[Progress[None] | np.ndarray]:
        made = 0
        yield Progress(0, 0, "tokenizing")
        for ids in encoder.stream(text_pieces(path)):
            made += len(ids)
            yield ids
            yield Progress(made, 0, "tokenizing")

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
        ids = _Ids(text.load())
        yield from ids.skip(place.token)
        while (place.lap, place.text) == (begun.lap, begun.text):
            here, size = place, chunk if isinstance(chunk, int) else chunk.tokens
            if lap is not None:
                size = min(size, lap - place.read)
            yield from ids.hold(size + 1)  # one more says whether the text goes on
            piece = ids.take(size)
            if not len(piece):
                raise LongSightError(f"{text.name} has no token in it; give texts with words.")
            place = here.after(len(piece))
            if place.read == lap:
                place = place.next_lap()
            elif not ids.held:
                place = place.next_text(len(texts))
            yield TextPiece(piece, here, place)


class _Ids:
    """The ids of a text, of which as many are `held` as were asked for and not taken."""

    def __init__(self, steps: Iterator[Progress[None] | np.ndarray]) -> None:
        self.steps, self.parts, self.held = steps, deque[np.ndarray](), 0

    def hold(self, tokens: int) -> Generator[Progress[None], None, None]:
        """Hold so many, or all that there are."""
        while self.held < tokens and (step := next(self.steps, None)) is not None:
            if isinstance(step, Progress):
                yield step
            else:
                self.parts.append(step)
                self.held += len(step)

    def take(self, tokens: int) -> np.ndarray:
        """The next ids (n,), at most so many."""
        found = [np.zeros(0, dtype=np.int32)]
        while tokens and self.parts:
            part = self.parts.popleft()
            found.append(part[:tokens])
            if len(part) > tokens:
                self.parts.appendleft(part[tokens:])
            tokens -= len(found[-1])
            self.held -= len(found[-1])
        return np.concatenate(found)

    def skip(self, tokens: int) -> Generator[Progress[None], None, None]:
        """Go on after so many."""
        while tokens:
            yield from self.hold(1)
            if not self.held:
                return
            tokens -= len(self.take(tokens))
