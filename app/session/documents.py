"""A document: the long text that a conversation is about. It is context, never a message."""

import os
from collections.abc import Generator, Iterator
from dataclasses import dataclass

import numpy as np
from transformers import PreTrainedTokenizerBase

from app.session import uploads
from longsight.errors import LongSightError
from longsight.progress import Progress

MOST_BYTES = 20_000_000
"""About 5 million tokens; the largest book in English has a third of that."""

PASTED_NAME = "pasted_text.txt"
"""What Gradio calls a long paste."""

PIECE = 32_768  # characters handed to the tokenizer at once, so that progress and Stop get a word in
BATCH = 16  # pieces tokenized in parallel
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


def tokenize_steps(tokenizer: PreTrainedTokenizerBase | None, text: str) -> Generator[Progress[None], None, np.ndarray]:
    """Token ids (n,) int32 of a text; yields the progress in characters, first and after each batch.

    Long texts are cut at line ends, where tokens end too. Special tokens written in the text are spelt out.
    """
    if tokenizer is None:
        raise LongSightError("This model has no tokenizer, so it cannot read text; choose another model.")
    pieces, ids, done = list(_pieces(text)), [], 0
    yield Progress(0, len(text), "tokenizing")
    for start in range(0, len(pieces), BATCH):
        batch = pieces[start : start + BATCH]
        encoded = tokenizer(batch, add_special_tokens=False, split_special_tokens=True)["input_ids"]
        ids += [np.array(part, dtype=np.int32) for part in encoded]
        done += sum(len(piece) for piece in batch)
        yield Progress(done, len(text), "tokenizing")
    return np.concatenate(ids)


def _pieces(text: str) -> Iterator[str]:
    start = 0
    while start < len(text):
        end = start + PIECE
        if end < len(text):
            line_end = text.rfind("\n", start, end)
            end = line_end + 1 if line_end > start else end
        yield text[start:end]
        start = end
