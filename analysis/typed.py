"""Choices as people type them, on the command line, in a box of the page, or in an address."""

import re

from engine.errors import LongSightError

MOST_NUMBERS = 512


def number(asked: str, text: str, fraction: bool = False) -> int | float:
    """A number. Raises `LongSightError`, naming what was `asked`, on anything else."""
    try:
        return float(text) if fraction else int(text)
    except ValueError:
        kind = "a number" if fraction else "a whole number"
        raise LongSightError(f"{asked} must give {kind}, but {text!r} was given.") from None


def whole(asked: str, text: str | None) -> int | None:
    """A whole number; None where nothing was typed."""
    return None if text is None or not text.strip() else int(number(asked, text.strip().replace(",", "")))


def numbers(asked: str, text: str | None) -> tuple[int, ...] | None:
    """`0, 2, 5`, `0-3` or both; None where nothing was typed."""
    if text is None or not text.strip():
        return None
    found: list[int] = []
    for part in text.split(","):
        first, dash, last = part.strip().partition("-")
        if not (dash and first):
            found.append(int(number(asked, part.strip())))
            continue
        low, high = int(number(asked, first)), int(number(asked, last))
        if not 0 <= high - low < MOST_NUMBERS:
            raise LongSightError(f"{asked} must rise by less than {MOST_NUMBERS}, but {part.strip()!r} was given.")
        found += range(low, high + 1)
    return tuple(found)


def span(asked: str, text: str | None) -> tuple[int, int] | None:
    """`100:200`, first and end of a range of tokens; None where nothing was typed."""
    if text is None or not text.strip():
        return None
    if not re.fullmatch(r"\s*\d+\s*:\s*\d+\s*", text):
        raise LongSightError(f"{asked} must give a range such as 100:200, but {text!r} was given.")
    first, _, last = text.partition(":")
    return int(first), int(last)
