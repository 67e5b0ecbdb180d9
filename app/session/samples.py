"""Example documents: texts that ship with the project, far longer than any embedded model was trained on.

Each is a file in assets/samples/ and an entry in its `samples.json`: title, source, and a question to begin with.
"""

import json
from dataclasses import dataclass, replace
from functools import cache

from app.assets import SAMPLES
from app.session.documents import Document, read_document
from longsight.errors import LongSightError


@dataclass(frozen=True)
class SampleDocument:
    """One example document: `key` is its file's name without the ending; `source` says where the text is from."""

    key: str
    title: str
    source: str
    question: str

    def document(self) -> Document:
        return _read(self)


@cache
def samples() -> dict[str, SampleDocument]:
    """The example documents by key, in the order of their list."""
    entries = json.loads((SAMPLES / "samples.json").read_text(encoding="utf-8"))
    return {entry["key"]: SampleDocument(**entry) for entry in entries}


def sample(key: str) -> SampleDocument:
    """The example document `key`. Raises `LongSightError` when there is none."""
    if not isinstance(key, str) or key not in samples():
        raise LongSightError(f"There is no example document {str(key)[:40]!r}; there are {', '.join(samples())}.")
    return samples()[key]


@cache
def _read(found: SampleDocument) -> Document:
    return replace(read_document((SAMPLES / f"{found.key}.txt").read_bytes(), found.title), example=found.key)
