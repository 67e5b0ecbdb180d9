"""Choices as people type them, on the command line, in a box of the page, or in an address."""

import re
from collections.abc import Iterable, Sequence

from longsight.errors import LongSightError

MOST_NUMBERS, QUOTE = 512, '"'
SCALES = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9}


def said(given: object) -> str:
    """What was given, as a sentence says it: an empty box held nothing."""
    if given is None or (isinstance(given, str) and not given.strip()):
        return "nothing"
    return f"{given:,}" if isinstance(given, int) and not isinstance(given, bool) else repr(given)


def number(asked: str, text: str, fraction: bool = False) -> int | float:
    """A number. Raises `LongSightError`, naming what was `asked`, on anything else."""
    try:
        return float(text) if fraction else int(text)
    except ValueError:
        kind = "a number" if fraction else "a whole number"
        raise LongSightError(f"{asked} must give {kind}, but {said(text)} was given.") from None


def whole(asked: str, text: str | None) -> int | None:
    """A whole number; None where nothing was typed."""
    return None if text is None or not text.strip() else int(number(asked, text.strip().replace(",", "")))


def count(asked: str, text: object) -> int:
    """A number of tokens: 10M, 512k, 2,000,000. Raises `LongSightError`, naming what was `asked`, on anything else."""
    found = re.fullmatch(r"(\d{1,15}(?:\.\d{1,9})?)([kmg]?)", str(text).replace(",", "").strip().lower())
    if found is None or (tokens := round(float(found[1]) * SCALES[found[2]])) < 1:
        raise LongSightError(f"{asked} must give a number of tokens, such as 10M or 512k, but {said(text)} was given.")
    return tokens


def numbers(asked: str, text: str | None) -> tuple[int, ...] | None:
    """`0, 2, 5`, `0-3` or both; None where nothing was typed."""
    if text is None or not text.strip():
        return None
    found: list[int] = []
    for part in text.split(","):
        if not part.strip():
            raise LongSightError(f"{asked} must give numbers with one comma between them, but {text!r} was given.")
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
    return _two(asked, text, r"\s*(\d+)\s*:\s*(\d+)\s*", "a range such as 100:200")


def place(asked: str, text: str | None) -> tuple[int, int] | None:
    """`2.5`, a layer and a head; None where nothing was typed."""
    return _two(asked, text, r"\s*(\d{1,6})\s*\.\s*(\d{1,6})\s*", "a layer and a head, such as 2.5")


def _two(asked: str, text: str | None, pattern: str, what: str) -> tuple[int, int] | None:
    if text is None or not text.strip():
        return None
    if (found := re.fullmatch(pattern, text)) is None:
        raise LongSightError(f"{asked} must give {what}, but {text!r} was given.")
    return int(found[1]), int(found[2])


def cut(text: str, mark: str) -> list[str]:
    """The parts of a line that stand between marks, but for marks inside of double quotes; empty parts are left out.

    Raises `LongSightError` where a quote is not closed.
    """
    if text.count(QUOTE) % 2:
        raise LongSightError(f"A text in double quotes is not closed in {text!r}; end it with one more quote.")
    return re.findall(rf"(?:{QUOTE}[^{QUOTE}]*{QUOTE}|[^{QUOTE}{mark}])+", text)


def named(text: str) -> tuple[str, dict[str, str]]:
    """`key:a=1,b=2` as the key and its values by name, texts with the quotes that they stand in."""
    key, _, values = text.strip().partition(":")
    pairs = [pair.partition("=") for pair in cut(values, ",")]
    return key, {name: value for name, _, value in pairs}


def quoted(value: object) -> str:
    """A value as it stands in a line: a text in double quotes, which it has none of itself."""
    return f"{QUOTE}{value}{QUOTE}" if isinstance(value, str) else str(value)


def any_text(key: str, name: str, text: str) -> str:
    """What stands between two double quotes. Raises `LongSightError` on anything else."""
    if len(text) < 2 or not text[0] == text[-1] == QUOTE or QUOTE in text[1:-1]:
        raise LongSightError(f"{key}: {name} must be a text in double quotes, but {text!r} was given.")
    return text[1:-1]


def check_names(title: str, known: Sequence[str], given: Iterable[str], kind: str) -> None:
    """Raises `LongSightError` for a `given` name that is none of the `known` ones of their `kind`."""
    for name in given:
        if name not in known:
            offered = f"its {kind}s are {', '.join(known)}" if known else f"it has no {kind}s"
            raise LongSightError(f"{title} has no {kind} {name!r}; {offered}.")


def any_number(key: str, name: str, text: str) -> int | float:
    """A whole number if it is one, and otherwise any. Raises `LongSightError` on anything else."""
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    raise LongSightError(f"{key}: {name} must be a number, but {said(text)} was given.")
