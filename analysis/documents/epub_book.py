"""EPUB as text: the chapters in the order of the book."""

import posixpath
import zipfile
from collections import Counter
from typing import Any
from urllib.parse import unquote

from longsight.errors import LongSightError

from . import archive
from .file_text import FileText, Tell, check_length, check_text, left_out
from .markup import decode_declared, text_of

CONTAINER, ENCRYPTION = "META-INF/container.xml", "META-INF/encryption.xml"
FONTS = ("http://www.idpf.org/2008/embedding", "http://ns.adobe.com/pdf/enc#RC")
"""Algorithms that only make fonts hard to copy."""


def read(raw: bytes, name: str, tell: Tell) -> FileText:
    """The text of all chapters, a blank line between them."""
    with archive.opened(raw, name) as book:
        _check_open(book, name)
        paths, counts, parts, characters = chapters(book, name), Counter[str](), [], 0
        for number, path in enumerate(paths):
            tell(number, len(paths), "reading chapters")
            text, more = text_of(decode_declared(archive.unpacked(book, path, name), name)[0], name)
            parts.append(text.strip())
            characters += len(text)
            counts += more
            check_length(characters, name)
    text = check_text("\n\n".join(filter(None, parts)), name)
    return FileText(text, f"EPUB, {len(paths):,} part{'' if len(paths) == 1 else 's'}", left_out(counts))


def chapters(book: zipfile.ZipFile, name: str) -> list[str]:
    """The paths of the chapters in the archive. Raises `LongSightError` where the book does not say them."""
    container = _tree(archive.unpacked(book, CONTAINER, name), name)
    package = next((str(found) for found in container.xpath("//*[local-name()='rootfile']/@full-path")), "")
    tree = _tree(archive.unpacked(book, package, name), name)
    items = tree.xpath("//*[local-name()='manifest']/*[local-name()='item']")
    paths = {item.get("id"): item.get("href", "") for item in items if "nav" not in item.get("properties", "").split()}
    spine = tree.xpath("//*[local-name()='spine']/*[local-name()='itemref']/@idref")
    folder = posixpath.dirname(package)
    found = [posixpath.normpath(posixpath.join(folder, unquote(paths[part]))) for part in spine if part in paths]
    if not found:
        raise LongSightError(f"{name} is an EPUB that names no chapters; give its text.")
    return list(dict.fromkeys(found))


def _check_open(book: zipfile.ZipFile, name: str) -> None:
    if ENCRYPTION not in book.namelist():
        return
    ways = _tree(archive.unpacked(book, ENCRYPTION, name), name).xpath(
        "//*[local-name()='EncryptionMethod']/@Algorithm"
    )
    if any(way not in FONTS for way in ways):
        raise LongSightError(f"{name} is protected against copying (DRM), so its text cannot be read.")


def _tree(raw: bytes, name: str) -> Any:
    """The file as XML. Raises `LongSightError` for what is none, and for entities, which could grow without end."""
    from lxml import etree

    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False)
    try:
        root = etree.fromstring(raw, parser)
    except etree.LxmlError as problem:
        raise LongSightError(f"{name} is a damaged EPUB: {problem}.") from problem
    types = root.getroottree().docinfo.internalDTD
    if types is not None and any(True for _ in types.iterentities()):
        raise LongSightError(f"{name} declares entities of its own, which are not read; save it again.")
    return root
