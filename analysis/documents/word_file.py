"""Word documents (.docx) as text: mammoth makes HTML of them, which is read as any other."""

import io
from typing import Any

from longsight.errors import LongSightError

from . import archive
from .file_text import FileText, Tell, check_text, left_out
from .markup import text_of

ASIDE = {"word/header": "page header", "word/footer": "page footer", "word/comments.xml": "list of comments"}
"""Parts that are not within the text, by how their names begin."""
ENTITY = (b"<!DOCTYPE", "<!DOCTYPE".encode("utf-16-le"), "<!DOCTYPE".encode("utf-16-be"))


def read(raw: bytes, name: str, tell: Tell) -> FileText:
    """The text with its tables, and its notes at the end."""
    import mammoth

    tell(0, 1, "reading the Word document")
    with archive.opened(raw, name) as parts:
        names = parts.namelist()
        for path in names:
            if path.endswith((".xml", ".rels")) and any(mark in archive.unpacked(parts, path, name) for mark in ENTITY):
                raise LongSightError(f"{name} declares entities of its own, which are not read; save it again.")
    pictures = []

    def passed_over(image: Any) -> list[Any]:
        pictures.append(image)
        return []

    markup = mammoth.convert_to_html(io.BytesIO(raw), convert_image=passed_over).value
    text, counts = text_of(markup, name) if markup.strip() else ("", {})
    aside = {said: sum(path.startswith(begin) for path in names) for begin, said in ASIDE.items()}
    return FileText(check_text(text, name), "Word document", left_out({"image": len(pictures), **counts, **aside}))
