"""Any file that is read as a text, whoever gives it: by a visitor, on the command line, or to a task."""

from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

from longsight.errors import LongSightError
from longsight.progress import Progress, finish

from . import archive, markup, reader_process
from .file_text import FileText
from .plain_text import read_plain


@dataclass(frozen=True)
class FileFormat:
    """What a format is called, the module here that reads it, and the package that this module needs."""

    title: str
    module: str
    package: str


FORMATS = {
    "pdf": FileFormat("PDF", "pdf_pages", "pypdf"),
    "epub": FileFormat("EPUB", "epub_book", "lxml"),
    "docx": FileFormat("Word document", "word_file", "mammoth"),
    "html": FileFormat("HTML", "markup", "lxml"),
}
ENDINGS = (".txt", ".rst", ".md", ".pdf", ".epub", ".docx", *markup.ENDINGS)
"""Of the files that are read where a folder is given."""
OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"


def format_of(raw: bytes, name: str) -> FileFormat | None:
    """The format that a file's first bytes say, or for HTML its name; None for plain text.

    Raises `LongSightError` for formats that are known and not read.
    """
    if raw[:1024].lstrip().startswith(b"%PDF-"):
        return FORMATS["pdf"]
    if raw.startswith(b"PK\x03\x04"):
        return FORMATS[archive.kind_of(raw, name)]
    if raw.startswith((OLE, b"{\\rtf")):
        raise LongSightError(f"{name} is a file of an older word processor; save it as .docx or .txt and give that.")
    return FORMATS["html"] if markup.is_html(raw, name) else None


def read_steps(raw: bytes, name: str) -> Generator[Progress[None], None, FileText]:
    """The text of a file. What is no plain text is read in a process of its own, which is ended when this is closed.

    Raises `LongSightError`, in one sentence, for what cannot be read.
    """
    found = format_of(raw, name)
    if found is None:
        return read_plain(raw, name)
    return (yield from reader_process.read_steps(raw, name, found.title, found.module, found.package))


def read_path(path: Path) -> FileText:
    """The text of a file of one's own. Raises `LongSightError` also where there is no such file."""
    try:
        raw = path.read_bytes()
    except OSError as problem:
        raise LongSightError(f"{path} cannot be read: {problem.strerror}.") from problem
    return finish(read_steps(raw, path.name))
