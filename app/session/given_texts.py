"""The text that a program gives along with what it asks: as itself, as a file that it has uploaded, or by name."""

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from typing import Any

from analysis.documents.file_text import check_text
from app.session import document_loading, formatting
from app.session.documents import MOST_BYTES, Document, Reading, at_once, read_upload
from app.session.samples import sample
from app.session.sessions import Session
from longsight.errors import LongSightError
from longsight.models.model import Model
from longsight.progress import Progress

NAME = "The text that was given"


@dataclass(frozen=True)
class GivenText:
    """At most one of these is given; with none, the caller goes on with the text that it gave before."""

    text: Any = ""
    file: Any = None
    example: Any = ""

    def __post_init__(self) -> None:
        given = [name for name in ("text", "file", "example") if getattr(self, name)]
        if len(given) > 1:
            raise LongSightError(f"{' and '.join(given)} were given; one text is read at a time.")

    @property
    def any(self) -> bool:
        return bool(self.text or self.file or self.example)

    def reading(self) -> Reading:
        """Raises `LongSightError` for what is no text; a file also when it was never uploaded here."""
        if self.example:
            return at_once(sample(self.example).document)
        if self.file:
            return read_upload(_path(self.file))
        return at_once(lambda: _document(self.text))


def take_steps(session: Session, model: Model, given: GivenText) -> Generator[Progress[None], None, None]:
    """Make the text that was `given` the session's. Where it has the words of the one before, what was read of them
    stays; what the text is called and was is as it came now."""
    if not given.any:
        return
    document = yield from given.reading()
    before = session.document
    if before is not None and before.text == document.text:
        session.document = document = before if vars(before) == vars(document) else document
        yield from document_loading.document_steps(document, session, model)
    else:
        yield from document_loading.take_steps(session, model, at_once(_known(document)))
    if session.document is not document:
        raise LongSightError("This text gave way to a newer one of the same session, or its session has ended.")


def _known(document: Document) -> Callable[[], Document]:
    return lambda: document


def _path(file: Any) -> str:
    path = file.get("path") if isinstance(file, Mapping) else file
    if not isinstance(path, str):
        raise LongSightError("The file must be one that was uploaded here, named by its path.")
    return path


def _document(text: Any) -> Document:
    if not isinstance(text, str) or not text.strip():
        raise LongSightError("The text must be words, in quotes.")
    text = check_text(text.encode("utf-16", "surrogatepass").decode("utf-16", "replace"), NAME)
    size = len(text.encode())
    if size > MOST_BYTES:
        raise LongSightError(
            f"The text has {formatting.size(size)}; up to {formatting.size(MOST_BYTES)} are read here."
        )
    return Document(NAME, text, size)
