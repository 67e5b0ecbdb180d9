"""ZIP archives that hold documents: what lies in them is unpacked only as far as its declared size allows."""

import io
import zipfile
import zlib

from longsight.errors import LongSightError

MOST_FILES = 20_000
MOST_EXPANDED = 100_000_000
"""Bytes that all texts in an archive may have when they are unpacked."""
TEXTS = (".xml", ".rels", ".xhtml", ".html", ".htm", ".opf", ".ncx")


def opened(raw: bytes, name: str) -> zipfile.ZipFile:
    """The archive. Raises `LongSightError` for one that is damaged, encrypted, or would be too large unpacked."""
    try:
        archive = zipfile.ZipFile(io.BytesIO(raw))
    except (zipfile.BadZipFile, ValueError, NotImplementedError) as problem:
        raise LongSightError(f"{name} is a damaged archive ({problem}); save it again.") from problem
    files = archive.infolist()
    size = sum(file.file_size for file in files if file.filename.lower().endswith(TEXTS))
    if len(files) > MOST_FILES or size > MOST_EXPANDED:
        raise LongSightError(
            f"{name} holds {len(files):,} files with {size:,} bytes of text; up to {MOST_FILES:,} with "
            f"{MOST_EXPANDED:,} are unpacked."
        )
    if any(file.flag_bits & 1 for file in files):
        raise LongSightError(f"{name} is encrypted with a password; save it without one and give it again.")
    return archive


def unpacked(archive: zipfile.ZipFile, path: str, name: str) -> bytes:
    """One file of the archive. Raises `LongSightError` for one that is damaged, missing, or too large."""
    try:
        if archive.getinfo(path).file_size > MOST_EXPANDED:
            raise LongSightError(
                f"{name} holds {path[:80]!r}, which is too large; up to {MOST_EXPANDED:,} bytes are read."
            )
        return archive.read(path)
    except (KeyError, zipfile.BadZipFile, NotImplementedError, EOFError, zlib.error) as problem:
        raise LongSightError(f"{name} is damaged: it has no readable {path[:80]!r}.") from problem


def kind_of(raw: bytes, name: str) -> str:
    """`epub` or `docx`. Raises `LongSightError` for any other archive."""
    with opened(raw, name) as archive:
        names = set(archive.namelist())
    if "META-INF/container.xml" in names:
        return "epub"
    if any(path.startswith("word/document") and path.endswith(".xml") for path in names):
        return "docx"
    raise LongSightError(f"{name} is a ZIP archive, but neither an EPUB nor a Word document; give the text itself.")
