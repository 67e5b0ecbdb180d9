"""Texts, split into training and validation: a folder of files, or a dataset of the Hub. Knows nothing about tokens."""

from __future__ import annotations

import dataclasses
import hashlib
import re
import shutil
from pathlib import Path

import numpy as np

SUFFIXES = (".txt", ".rst")
HUB = "hub:"  # before the name of a dataset
COLUMN = "text"
HELD_OUT = 50  # without train/ and validation/ folders, one file in this many is held out


class CorpusError(ValueError):
    """A folder that holds no usable text."""


@dataclasses.dataclass(frozen=True)
class CorpusText:
    """One file. `name` is its path inside the corpus, with forward slashes."""

    name: str
    text: str

    @property
    def family(self) -> str:
        """The top folder of the file, by which figures are reported."""
        return self.name.split("/")[0] if "/" in self.name else "texts"


class Corpus:
    """Documents that random passages are drawn from; a longer document is drawn from more often."""

    def __init__(self, documents: list[CorpusText]) -> None:
        if not documents:
            raise CorpusError("a corpus needs at least one document, found none")
        self.documents = documents
        lengths = np.array([len(document.text) for document in documents])
        self._ends = np.cumsum(lengths)

    @property
    def characters(self) -> int:
        return int(self._ends[-1])

    def passage(self, rng: np.random.Generator, characters: int) -> str:
        """About `characters` characters from anywhere, beginning at a word and mostly in the middle of a text."""
        place = int(rng.integers(self.characters))
        index = int(np.searchsorted(self._ends, place, side="right"))
        text = self.documents[index].text
        start = place - (int(self._ends[index]) - len(text))
        start = max(0, min(start, len(text) - characters))
        if start:
            space = text.find(" ", start, start + 200)
            start = space + 1 if space >= 0 else start
        return text[start : start + characters]

    def passages(self, rng: np.random.Generator, characters: int, piece: int = 100_000) -> str:
        """About `characters` characters in long passages from anywhere: a sample of the whole."""
        return "\n".join(self.passage(rng, piece) for _ in range(max(1, min(characters, self.characters) // piece)))

    def opening(self, rng: np.random.Generator, characters: int) -> str:
        """As `passage`, but beginning at a paragraph."""
        passage = self.passage(rng, characters + 1500)
        start = passage.find("\n\n", 0, 1500)
        return passage[start + 2 if start >= 0 else 0 :].lstrip()[:characters]

    def word(self, rng: np.random.Generator) -> str:
        """A plain lower-case word of 4 to 10 letters, as frequent as it is in the corpus."""
        while True:
            words = re.findall(r"\b[a-z]{4,10}\b", self.passage(rng, 200))
            if words:
                return str(rng.choice(words))


def by_family(corpus: Corpus) -> dict[str, Corpus]:
    """The parts of a corpus by the top folder of their files."""
    names = sorted({document.family for document in corpus.documents})
    return {name: Corpus([d for d in corpus.documents if d.family == name]) for name in names}


def write_texts(corpus: Corpus, folder: Path) -> None:
    """Each text as a file in a folder of its family; what was in `folder` before is gone."""
    shutil.rmtree(folder, ignore_errors=True)
    for number, document in enumerate(corpus.documents):
        path = folder / document.family / f"{number:05}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(document.text, encoding="utf-8")


def read_corpus(source: str | Path) -> tuple[Corpus, Corpus]:
    """The texts of a folder, or of a dataset of the Hub (`hub:owner/name`), as (training, validation).

    Parts named `train` and `validation` (folders at any depth, or splits of the dataset) are the split. Without them,
    one text in fifty, chosen by a hash of its name, is held out (of a single text: its last fiftieth).
    """
    if str(source).startswith(HUB):
        return _split(_hub_documents(str(source).removeprefix(HUB)))
    return _split(_folder_documents(Path(source)))


def _folder_documents(folder: Path) -> list[CorpusText]:
    """All *.txt and *.rst files under `folder`."""
    files = sorted(path for path in folder.rglob("*") if path.suffix in SUFFIXES and path.is_file())
    documents = [
        CorpusText(path.relative_to(folder).as_posix(), path.read_text(encoding="utf-8", errors="replace"))
        for path in files
    ]
    documents = [document for document in documents if document.text.strip()]
    if not documents:
        raise CorpusError(f"a corpus was asked from {folder}, but it holds no text in {' or '.join(SUFFIXES)} files")
    return documents


def _hub_documents(name: str) -> list[CorpusText]:
    """All rows of a dataset, in its column `text`; the `datasets` library is needed only for this."""
    try:
        import datasets
    except ImportError as missing:
        raise CorpusError(
            f"the dataset {name!r} was asked for, but the library `datasets` is not installed; "
            "`pip install datasets`, or give a folder of text files"
        ) from missing
    try:
        parts = datasets.load_dataset(name)
    except (OSError, ValueError) as problem:  # not found, not reachable, not readable: all are one of these
        raise CorpusError(
            f"the dataset {name!r} was asked for, but it cannot be read: {problem}; give the name of a dataset of the "
            "Hub as owner/name, or a folder of text files"
        ) from problem
    documents = []
    for part, rows in parts.items():
        if COLUMN not in rows.column_names:
            raise CorpusError(
                f"the dataset {name!r} needs a column {COLUMN!r}, found {', '.join(sorted(rows.column_names))}"
            )
        texts = enumerate(rows[COLUMN])
        documents += [CorpusText(f"{part}/{number}", text) for number, text in texts if text.strip()]
    if not documents:
        raise CorpusError(f"a corpus was asked from the dataset {name!r}, but it holds no text")
    return documents


def _split(documents: list[CorpusText]) -> tuple[Corpus, Corpus]:
    train = [document for document in documents if "train" in document.name.split("/")[:-1]]
    validation = [document for document in documents if "validation" in document.name.split("/")[:-1]]
    if train and validation:
        return Corpus(train), Corpus(validation)
    return _hold_out(documents)


def _hold_out(documents: list[CorpusText]) -> tuple[Corpus, Corpus]:
    if len(documents) == 1:
        (only,) = documents
        cut = len(only.text) - max(1, len(only.text) // HELD_OUT)
        return Corpus([CorpusText(only.name, only.text[:cut])]), Corpus([CorpusText(only.name, only.text[cut:])])
    ranked = sorted(documents, key=lambda document: hashlib.sha256(document.name.encode()).hexdigest())
    count = max(1, len(ranked) // HELD_OUT)
    return Corpus(sorted(ranked[count:], key=_name)), Corpus(sorted(ranked[:count], key=_name))


def _name(document: CorpusText) -> str:
    return document.name
