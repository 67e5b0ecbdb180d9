"""What a real model writes is Markdown: its answer as a tree of a few harmless elements, never as HTML."""

import re
from collections.abc import Iterator
from typing import TypedDict

from markdown_it import MarkdownIt
from markdown_it.tree import SyntaxTreeNode

KEPT = 0.5
"""The part of a text's letters and digits that must be left for it to count as Markdown; one without any is noise, that
may be full of Markdown's signs and is shown as it is."""

TAGS = {
    "paragraph": "p", "heading": "h4", "bullet_list": "ul", "ordered_list": "ol", "list_item": "li",
    "blockquote": "blockquote", "fence": "pre", "code_block": "pre", "code_inline": "code", "em": "em",
    "strong": "strong", "table": "table", "thead": "thead", "tbody": "tbody", "tr": "tr", "th": "th", "td": "td",
    "hr": "hr", "hardbreak": "br", "s": "s",
}  # fmt: skip
"""What becomes which element; everything else is its text, or what it is made of."""

PLAIN = {"root", "paragraph", "inline", "text", "softbreak"}
_reader = MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"]).disable(["image", "html_block"])


class Element(TypedDict):
    """An element of `TAGS`, and what is in it: elements and texts."""

    tag: str
    inside: "list[Element | str]"


def elements(text: str) -> list[Element | str] | None:
    """The elements of an answer; None where it is plain text, or no Markdown that its writer would recognise."""
    tree = SyntaxTreeNode(_reader.parse(text))
    if all(node.type in PLAIN for node in tree.walk()):
        return None
    found = [part for node in tree.children for part in _parts(node)]
    seen, written = len(_letters(found)), len(re.sub(r"\W", "", text))
    return found if written and seen >= KEPT * written else None


def _parts(node: SyntaxTreeNode) -> Iterator[Element | str]:
    tag = TAGS.get(node.type)
    inside = [part for child in node.children for part in _parts(child)]
    if node.type == "softbreak":
        yield "\n"
    elif tag is not None:
        yield {"tag": tag, "inside": inside or ([node.content] if node.content else [])}
    elif node.type == "link":  # an address is told and never followed by itself
        yield from [*inside, f" ({node.attrs['href']})"]
    else:
        yield from inside or filter(None, [node.content])


def _letters(parts: list[Element | str]) -> str:
    said = "".join(part if isinstance(part, str) else _letters(part["inside"]) for part in parts)
    return re.sub(r"\W", "", said)
