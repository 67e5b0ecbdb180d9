"""What a file is once it is read, and what no reader takes."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from longsight.errors import LongSightError

MOST_CHARACTERS = 20_000_000
"""Of what is taken out of a file of another format: about 5 million tokens."""

CONTROL = re.compile(r"[\x00-\x08\x0e-\x1a\x1c-\x1f]")
"""Control characters that no text has, but for stray ones."""

Tell = Callable[[int, int, str], None]
"""Called with how much is done, of all there is, and what is being done."""


class NoWordsError(LongSightError):
    """A file that can be read, but has no text."""


@dataclass(frozen=True)
class FileText:
    """The text of a file. `form`: what the file was, in a few words. `note`: how that was found out where the file did
    not say so, and what of it is not in the text; empty where the text is all there was."""

    text: str
    form: str
    note: str = ""

    @property
    def said(self) -> str:
        """Form and note in one line."""
        return f"{self.form}. {self.note}".removesuffix(". ")


def left_out(counts: Mapping[str, int]) -> str:
    """A sentence on what was taken out, of counts by name in the singular; empty without any."""
    parts = [f"{count:,} {name}{'' if count == 1 else 's'}" for name, count in counts.items() if count]
    return f"Left out: {', '.join(parts)}." if parts else ""


def check_length(characters: int, name: str) -> None:
    """Raise `LongSightError` for more text than is read."""
    if characters > MOST_CHARACTERS:
        raise LongSightError(f"{name} has more than {MOST_CHARACTERS:,} characters of text; give a part of it.")


def check_text(text: str, name: str) -> str:
    """The text with the line ends of Unix. Raises `LongSightError` where there are no words, or something else than
    words."""
    if (at := text.find("\0")) >= 0:
        raise LongSightError(f"{name} is not plain text: it has a NUL character at position {at:,}. Give a .txt file.")
    if (odd := len(CONTROL.findall(text))) > len(text) / 1000:
        raise LongSightError(f"{name} is not plain text: it has {odd:,} control characters. Give a .txt file.")
    if not text.strip():
        raise NoWordsError(f"{name} has no text in it; give one with words.")
    return text.replace("\r\n", "\n").replace("\r", "\n")
