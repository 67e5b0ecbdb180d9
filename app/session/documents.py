"""A document: the long text that a conversation is about. It is context, never a message."""

import os
import re
from collections.abc import Callable, Generator
from dataclasses import dataclass

from analysis.documents.plain_text import read_plain
from analysis.documents.reading_files import read_steps
from app.session import uploads
from longsight.progress import Progress

MOST_BYTES = 20_000_000
"""As plain text about 5 million tokens; the largest book in English has a third of that."""

PASTED_NAME = "pasted_text.txt"
"""What Gradio calls a long paste."""

EXCERPT = 160  # characters shown of either end


@dataclass(frozen=True, eq=False)
class Document:
    """A text with its name and its size in bytes as it came in.

    `form` and `note`: what it was, and what is to be said of how it was read (`FileText`). `example`: the key of the
    example document that it is, if it is one.
    """

    name: str
    text: str
    nbytes: int
    form: str = ""
    note: str = ""
    example: str = ""

    @property
    def head(self) -> str:
        """How it begins, to the end of a word."""
        return _excerpt(self.text.lstrip()[: EXCERPT + 1])

    @property
    def tail(self) -> str:
        """How it ends, from the beginning of a word."""
        return _excerpt(self.text.rstrip()[-EXCERPT - 1 :][::-1])[::-1]


def _excerpt(text: str) -> str:
    """The first characters of `text`, without a last word that goes on behind them; a very long one is no word."""
    piece, more = text[:EXCERPT], text[EXCERPT:]
    return re.sub(r"\s+\S{1,30}$", "", piece) if more.strip() else piece.rstrip()


Reading = Generator[Progress[None], None, Document]
"""Named steps to a document. Raises `LongSightError`, in one sentence, for what cannot be read."""


def at_once(document: Callable[[], Document]) -> Reading:
    """A document for which nothing has to be read."""
    yield from ()
    return document()


def read_document(raw: bytes, name: str) -> Document:
    """The document that a file of plain text holds. Raises `LongSightError`, in one sentence, when it is none."""
    read = read_plain(raw, name)
    return Document(name, read.text, len(raw), read.form, read.note)


def read_upload(path: str | os.PathLike[str]) -> Reading:
    """What a visitor sent. Raises `LongSightError` also when that is too large, or nowhere here."""
    name, raw = uploads.folder().take(path, MOST_BYTES)
    name = "pasted text" if name == PASTED_NAME else name
    read = yield from read_steps(raw, name)
    return Document(name, read.text, len(raw), read.form, read.note)
