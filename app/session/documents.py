"""A document: the long text that a conversation is about. It is context, never a message."""

import os
from dataclasses import dataclass

from app.session import uploads
from longsight.errors import LongSightError

MOST_BYTES = 20_000_000
"""About 5 million tokens; the largest book in English has a third of that."""

PASTED_NAME = "pasted_text.txt"
"""What Gradio calls a long paste."""

EXCERPT = 160  # characters shown of either end


@dataclass(frozen=True, eq=False)
class Document:
    """A text with its name and its size in bytes as it came in."""

    name: str
    text: str
    nbytes: int

    @property
    def head(self) -> str:
        return self.text[:EXCERPT].strip()

    @property
    def tail(self) -> str:
        return self.text[-EXCERPT:].strip()


def read_document(raw: bytes, name: str) -> Document:
    """The document that a file holds. Raises `LongSightError`, in one sentence, when it is no plain text."""
    name = "pasted text" if name == PASTED_NAME else name
    return Document(name, decode(raw, name), len(raw))


def read_upload(path: str | os.PathLike[str]) -> Document:
    """`read_document` for what a visitor sent. Raises `LongSightError` also when that is too large, or nowhere here."""
    name, raw = uploads.folder().take(path, MOST_BYTES)
    return read_document(raw, name)


def decode(raw: bytes, name: str) -> str:
    """The text of a file: UTF-8, or UTF-16 with its mark. Never a guess."""
    if raw.startswith(b"%PDF-"):
        raise LongSightError(f"{name} is a PDF, whatever its name says; save its text as a .txt file and give that.")
    encoding = "utf-16" if raw[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        text = raw.decode(encoding)
    except UnicodeDecodeError as problem:
        found = f"byte {raw[problem.start]:#04x} at position {problem.start:,}"
        raise LongSightError(f"{name} is not text in UTF-8: {found}. Save it as UTF-8 and give it again.") from problem
    if (at := text.find("\0")) >= 0:
        raise LongSightError(f"{name} is not plain text: it has a NUL character at position {at:,}. Give a .txt file.")
    if not text.strip():
        raise LongSightError(f"{name} has no text in it; paste or upload one with words.")
    return text.replace("\r\n", "\n")
