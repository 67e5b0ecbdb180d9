"""HTML and XHTML as text: paragraphs and lines as a reader sees them, without what nobody reads as words."""

import codecs
import contextlib
import re
from collections import Counter

from longsight.errors import LongSightError

from .file_text import FileText, NoWordsError, Tell, check_length, check_text, left_out
from .plain_text import MARKS, decode

ENDINGS = (".html", ".htm", ".xhtml")
BEGINNING = re.compile(rb"\s*(<\?xml[^>]*>\s*)?(<!--.*?-->\s*)*<(!doctype\s+html|html)\b", re.IGNORECASE | re.DOTALL)
DECLARED = re.compile(rb"""<(?:\?xml|meta)\b[^>]*?(?:encoding|charset)\s*=\s*["']?([\w.:-]+)""", re.IGNORECASE)
MEANT = {"iso8859-1": "cp1252", "ascii": "cp1252", "gb2312": "gb18030", "gbk": "gb18030"}
"""What the WHATWG's Encoding Standard reads pages as that declare these."""
HEAD = 4096  # bytes that may declare an encoding

LEFT_OUT = {
    "img": "image", "image": "image", "svg": "drawing", "canvas": "drawing", "picture": "image",
    "script": "script", "style": "style sheet", "nav": "navigation menu", "iframe": "frame",
    "object": "embedded object", "embed": "embedded object", "video": "video", "audio": "recording",
    "select": "form control", "textarea": "form control", "button": "form control", "datalist": "list of suggestions",
    "title": "page title", "template": "template", "noscript": "notice for browsers without scripts",
    "map": "image map",
}  # fmt: skip
"""Elements that are taken out with all that is in them, and what they are called; so is the rest of a page's head."""
PARAGRAPHS = set("p h1 h2 h3 h4 h5 h6 ul ol dl table blockquote pre figure hr section article".split())
LINES = set(
    "address aside body caption center dd details div dt fieldset figcaption footer form header html legend li main "
    "summary tbody thead tfoot tr".split()
)
COMMENTS = "count(//comment()[not(starts-with(., '?xml'))] | //processing-instruction()[name() != 'xml'])"
SPACE = re.compile(r"[ \t\n\r\f\v]+")


def is_html(raw: bytes, name: str) -> bool:
    """Whether a file says by its name or its beginning that it is HTML."""
    for mark in MARKS:
        raw = raw.removeprefix(mark)
    return name.lower().endswith(ENDINGS) or BEGINNING.match(raw[:HEAD]) is not None


def read(raw: bytes, name: str, tell: Tell) -> FileText:
    """The text of a page."""
    tell(0, 1, "reading HTML")
    markup, form, note = decode_declared(raw, name)
    text, counts = text_of(markup, name)
    return FileText(check_text(text, name), f"HTML in {form}", " ".join(filter(None, [note, left_out(counts)])))


def decode_declared(raw: bytes, name: str) -> tuple[str, str, str]:
    """`decode`, but a declaration within the file counts where there is no byte order mark, as browsers read it."""
    found = None if raw.startswith(tuple(MARKS)) else DECLARED.search(raw[:HEAD])
    if found is None:
        return decode(raw, name)
    declared = found[1].decode("ascii")
    try:
        encoding = codecs.lookup(declared).name
        if not encoding.startswith(("utf-16", "utf-32")):  # in which nobody could have read the declaration
            return raw.decode(MEANT.get(encoding, encoding)), declared.upper(), ""
    except (LookupError, UnicodeError):  # no encoding of texts, or not this one
        pass
    text, form, note = decode(raw, name)
    return text, form, f"It declares {declared}, which it is not. {note}".strip()


def text_of(markup: str, name: str) -> tuple[str, Counter[str]]:
    """What a reader sees, and how many of each thing were taken out."""
    from lxml import etree

    parser = etree.HTMLParser(encoding="utf-8", no_network=True, huge_tree=True)
    root = None
    with contextlib.suppress(etree.LxmlError):  # of which the log says more
        root = etree.fromstring(markup.encode("utf-8", "replace"), parser)
    if any(error.type_name == "ERR_RESOURCE_LIMIT" for error in parser.error_log):
        raise LongSightError(f"{name} nests its elements deeper than is read; save its text as a .txt file.")
    if root is None:
        raise NoWordsError(f"{name} has no text in it; give one with words.")
    page, counts = _Page(), Counter[str]()
    comments = Counter(comment=int(root.xpath(COMMENTS)))
    etree.strip_tags(root, etree.Comment, etree.PI)
    hidden = None
    for event, element in etree.iterwalk(root, events=("start", "end")):
        tag = str(element.tag)
        if event == "start" and (hidden is None or hidden.tag == "head"):
            if tag in LEFT_OUT:
                counts[LEFT_OUT[tag]] += 1
            if hidden is None and (tag in LEFT_OUT or tag == "head"):
                hidden = element
            elif hidden is None:
                page.begin(tag, element.text)
        elif event == "end" and hidden in (None, element):
            if hidden is None:
                page.end(tag)
            hidden = None
            page.words(element.tail)
        check_length(page.length, name)
    return page.text, counts + comments


class _Page:
    """Text that grows: what breaks between words is kept until the next word, so that the widest break counts."""

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._gap = ""
        self._exact = 0  # elements around that keep their white space
        self.length = 0

    @property
    def text(self) -> str:
        return "".join(self._parts)

    def begin(self, tag: str, words: str | None) -> None:
        if tag == "br":
            self._gap = "\n" if "\n" not in self._gap else "\n\n"
        self._break(tag)
        self._exact += tag == "pre"
        self.words(words)

    def end(self, tag: str) -> None:
        self._exact -= tag == "pre"
        self._break(tag)

    def words(self, words: str | None) -> None:
        if not words:
            return
        if self._exact:
            self._add(words)
            return
        words = SPACE.sub(" ", words)
        if words[0] == " ":
            self._gap = self._gap or " "
        if words.strip(" "):
            self._add(words.strip(" "))
            self._gap = " " if words[-1] == " " else ""

    def _add(self, words: str) -> None:
        gap = self._gap if self._parts else ""
        self._parts += [gap, words]
        self.length += len(gap) + len(words)
        self._gap = ""

    def _break(self, tag: str) -> None:
        if tag in PARAGRAPHS:
            self._gap = "\n\n"
        elif tag in LINES and "\n" not in self._gap:
            self._gap = "\n"
        elif tag in ("td", "th") and "\n" not in self._gap:
            self._gap = "\t"
