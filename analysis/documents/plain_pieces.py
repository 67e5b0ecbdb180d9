"""Plain text of any size, a piece of it at a time."""

from collections.abc import Iterator
from pathlib import Path

from longsight.errors import LongSightError

from .file_text import CONTROL
from .reading_files import format_of, read_path

BEGINNING = 2**16
"""Bytes that tell the format of a file."""
PIECE = 2**20
"""Characters that are in memory at once."""


def text_pieces(path: Path) -> Iterator[str]:
    """The text that `read_path` makes of a file, in pieces: plain text in UTF-8 is never held whole, anything else is.

    Raises `LongSightError` where `read_path` does.
    """
    try:
        in_pieces = _is_utf8(path)
    except OSError as problem:
        raise LongSightError(f"{path} cannot be read: {problem.strerror}.") from problem
    if in_pieces:
        yield from _pieces(path)
    else:
        text = read_path(path).text
        yield from (text[start : start + PIECE] for start in range(0, len(text), PIECE))


def _pieces(path: Path) -> Iterator[str]:
    with path.open(encoding="utf-8-sig") as file:  # which has the line ends of Unix
        while piece := file.read(PIECE):
            yield piece


def _is_utf8(path: Path) -> bool:
    """Whether a file is plain text in UTF-8 from its first byte to its last; of any other, `read_path` says what it is,
    or why it is none."""
    with path.open("rb") as file:
        beginning = file.read(BEGINNING)
    if beginning.startswith(b"PK\x03\x04") or format_of(beginning, path.name) is not None:
        return False
    characters = odd = 0
    words = False
    try:
        for piece in _pieces(path):
            if "\0" in piece:
                return False
            characters += len(piece)
            odd += len(CONTROL.findall(piece))
            words = words or bool(piece.strip())
    except UnicodeDecodeError:
        return False
    return words and odd <= characters / 1000
