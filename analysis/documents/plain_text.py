"""Plain text: its encoding is told by a byte order mark, by being UTF-8, or by its letters; and then it is said."""

import codecs
from collections.abc import Sequence

from longsight.errors import LongSightError

from .file_text import FileText, check_text

MARKS = {
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF32_LE: "utf-32-le",  # before UTF-16, whose mark it begins with
    codecs.BOM_UTF32_BE: "utf-32-be",
    codecs.BOM_UTF16_LE: "utf-16-le",
    codecs.BOM_UTF16_BE: "utf-16-be",
    b"\x84\x31\x95\x33": "gb18030",
}
"""The encoding of U+FEFF in each encoding, and its name."""

TITLES = {
    "utf-8": "UTF-8", "utf-16-le": "UTF-16", "utf-16-be": "UTF-16", "utf-32-le": "UTF-32", "utf-32-be": "UTF-32",
    "gb18030": "GB18030", "big5": "Big5", "cp932": "Shift JIS", "euc_jp": "EUC-JP", "cp949": "EUC-KR",
    "cp1252": "Latin-1 (Windows-1252)", "cp1250": "Windows-1250", "cp1251": "Windows-1251", "koi8_r": "KOI8-R",
    "cp1253": "Windows-1253", "cp1254": "Windows-1254", "cp1255": "Windows-1255", "cp1256": "Windows-1256",
}  # fmt: skip
"""What encodings are called, by Python's name."""

BY_LETTERS = [name for name in TITLES if not name.startswith("utf")]
"""Those that are told by the letters that they make of the bytes."""

COMMONEST = "cp1252"
"""Of encodings that fit equally well."""

MOST_SAMPLED = 200_000  # bytes that letters are looked at in


def read_plain(raw: bytes, name: str) -> FileText:
    """The text of a file of plain text. Raises `LongSightError`, in one sentence, where it is none."""
    text, form, note = decode(raw, name)
    return FileText(check_text(text, name), form, note)


def decode(raw: bytes, name: str) -> tuple[str, str, str]:
    """Bytes as text, the name of their encoding, and how that was found out where neither a mark nor UTF-8 says so."""
    for mark, encoding in MARKS.items():
        if raw.startswith(mark):
            return _marked(raw, mark, encoding, name), f"{TITLES[encoding]} with a byte order mark", ""
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as problem:
        _check_not_nearly(raw, problem, name)
        if (found := _fitting(raw, problem.start, name)) is None:
            raise LongSightError(
                f"{name} is not text in UTF-8, and in no other encoding that is known here. Save it as UTF-8."
            ) from problem
        return found
    found = _fitting(raw, 0, name) if "\0" in text else None  # UTF-16 of plain English is UTF-8, but for its NULs
    return found or (text, TITLES["utf-8"], "")


def _marked(raw: bytes, mark: bytes, encoding: str, name: str) -> str:
    try:
        return raw[len(mark) :].decode(encoding)
    except UnicodeDecodeError as problem:
        at = problem.start + len(mark)
        raise LongSightError(
            f"{name} begins with the byte order mark of {TITLES[encoding]}, but is not {TITLES[encoding]} from "
            f"position {at:,} on. Save it again and give it then."
        ) from problem


def _check_not_nearly(raw: bytes, problem: UnicodeDecodeError, name: str) -> None:
    """Raise `LongSightError` for text in UTF-8 that is broken at few places: another encoding would spoil all of it."""
    found = raw.decode("utf-8", "replace")
    if found.count("\ufffd") * 10 < len(found) - len(found.encode("ascii", "ignore")):
        raise LongSightError(
            f"{name} is text in UTF-8 but for byte {raw[problem.start]:#04x} at position {problem.start:,}, and "
            "perhaps others. Save it as UTF-8 and give it again."
        ) from problem


def _sided(raw: bytes) -> str | None:
    """UTF-16 without a mark, perhaps: of its zero bytes most stand on one side of the pairs."""
    first, second = (raw[side:MOST_SAMPLED:2].count(0) for side in (0, 1))
    if max(first, second) < 2 or len(raw) % 2:
        return None
    return "utf-16-le" if 2 * first < second else "utf-16-be" if 2 * second < first else None


def _sample(raw: bytes, odd: int) -> bytes:
    """Whole lines around the first byte that is not UTF-8."""
    first = raw.rfind(b"\n", 0, odd) + 1
    last = raw.rfind(b"\n", odd, first + MOST_SAMPLED)
    return raw[first : last if last > odd and len(raw) > first + MOST_SAMPLED else first + MOST_SAMPLED]


def _fitting(raw: bytes, odd: int, name: str) -> tuple[str, str, str] | None:
    """What `decode` says of text in another encoding, whose first byte that is not UTF-8 is at `odd`."""
    sided = _sided(raw)
    encoding = _by_letters(_sample(raw, odd), [sided] if sided else BY_LETTERS, name)
    if encoding is None:
        return None
    try:
        text = raw.decode(encoding)
    except UnicodeDecodeError:
        return None
    why = "It has no byte order mark and is not UTF-8; this encoding fits its letters best."
    return text, TITLES[encoding], f"{why} Where letters look wrong, save it as UTF-8 and give it again."


def _by_letters(raw: bytes, encodings: Sequence[str], name: str) -> str | None:
    """Which of the encodings makes the likeliest letters; None where none makes any.

    Raises `LongSightError` where what tells them is not installed.
    """
    try:
        from charset_normalizer import from_bytes
    except ImportError as problem:
        raise LongSightError(
            f"{name} is not text in UTF-8, and charset-normalizer, which tells other encodings, is not installed: "
            "pip install 'longsight[documents]', or save it as UTF-8."
        ) from problem
    found = from_bytes(raw, cp_isolation=[encoding.replace("-", "_") for encoding in encodings])
    best = found.best()
    if best is None:
        return None
    alike = [match for match in found if (match.chaos, match.coherence) == (best.chaos, best.coherence)]
    if any(COMMONEST in match.could_be_from_charset for match in alike):
        return COMMONEST
    return best.encoding.replace("_", "-") if best.encoding.startswith("utf") else best.encoding
