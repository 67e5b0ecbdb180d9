"""PDF as text, page by page, as pypdf reads it."""

import io
import logging

from longsight.errors import LongSightError

from .file_text import FileText, NoWordsError, Tell, check_length, check_text, left_out

MOST_PAGES = 5_000


def read(raw: bytes, name: str, tell: Tell) -> FileText:
    """The text of all pages, a blank line between them. Pictures of text are no text: pages without any are told."""
    from pypdf import PdfReader
    from pypdf.errors import DependencyError

    logging.getLogger("pypdf").setLevel(logging.CRITICAL)  # it tells of every flaw of a file
    file = PdfReader(io.BytesIO(raw))
    try:
        locked = file.is_encrypted and not file.decrypt("")
    except DependencyError:  # pypdf leaves AES to the package cryptography
        locked = True
    if locked:
        raise LongSightError(f"{name} is encrypted; save it without a password and give it again.")
    count = len(file.pages)
    if count > MOST_PAGES:
        raise LongSightError(f"{name} has {count:,} pages; up to {MOST_PAGES:,} are read. Give a part of it.")
    pages, characters, pictures = [], 0, 0
    for number, page in enumerate(file.pages):
        tell(number, count, "reading pages")
        pages.append(page.extract_text().strip())
        pictures += len(page.images)
        characters += len(pages[-1])
        check_length(characters, name)
    empty = pages.count("")
    if empty == count:
        raise NoWordsError(f"{name} has {count:,} pages without text; if they are scans, recognise their text (OCR).")
    wordless = f"Without text, perhaps scans: {empty:,} of the pages." if empty else ""
    text = "\n\n".join(filter(None, pages)).encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    note = " ".join(filter(None, [wordless, left_out({"image": pictures})]))
    return FileText(check_text(text.replace("\0", ""), name), f"PDF, {count:,} page{'' if count == 1 else 's'}", note)
