"""What a reader of a page sees: its words, its paragraphs, and nothing of its machinery."""

import pytest

from analysis.documents.markup import decode_declared, is_html, text_of
from longsight.errors import LongSightError


@pytest.mark.parametrize(
    ("markup", "text"),
    [
        ("<h1>One</h1><p>It was <i>a</i> dark\n  night.</p>", "One\n\nIt was a dark night."),
        ("café<br>two<br><br>three", "café\ntwo\n\nthree"),
        ("<ul><li>a<li>b</ul>c", "a\nb\n\nc"),
        ("<table><tr><td>1<td>2<tr><td>3<td>4</table>", "1\t2\n3\t4"),
        ("a<pre>  x\n   y</pre>b", "a\n\n  x\n   y\n\nb"),
        ("a<script>if (a < b) x()</script><style>p {}</style>b", "ab"),
        ("<head><title>T</title></head>&lt;b&gt; &amp; &eacute;", "<b> & é"),
        ("a<!-- <p>no</p> --><?php no ?> b", "a b"),
        ("<b>bo</b>ld <svg><text>no</text></svg>end", "bold end"),
    ],
)
def test_the_text_of_a_page(markup, text):
    assert text_of(markup, "t")[0] == text


def test_what_is_left_out_is_counted():
    counts = text_of("<nav>menu</nav>a<img src=x><img src=y><script>1</script><iframe></iframe>", "t")[1]
    assert counts == {"navigation menu": 1, "image": 2, "script": 1, "frame": 1}
    head = "<!-- 1 --><head><title>T</title><meta name=x><style>p {}</style><script>2</script></head>"
    body = "a<noscript>no <img src=x></noscript><template>no</template><datalist><option>no</datalist><map></map>b"
    text, counts = text_of(f'<?xml version="1.0"?>{head}{body}<!-- 2 -->', "t")
    assert text == "ab"
    assert counts == {
        "page title": 1, "style sheet": 1, "script": 1, "notice for browsers without scripts": 1, "template": 1,
        "list of suggestions": 1, "image map": 1, "comment": 2,
    }  # fmt: skip
    assert text_of("only words", "t")[1] == {}


def test_what_nests_too_deeply_is_refused_not_cut():
    with pytest.raises(LongSightError, match="t nests its elements deeper than is read"):
        text_of("<div>" * 5000 + "deep", "t")


@pytest.mark.parametrize(
    ("raw", "text", "form"),
    [
        (b'<meta charset="iso-8859-1">\x93caf\xe9\x94', "“café”", "ISO-8859-1"),
        ('<?xml version="1.0" encoding="Shift_JIS"?>吾輩'.encode("cp932"), "吾輩", "SHIFT_JIS"),
        ('<meta http-equiv=x content="text/html; charset=gb2312">中文'.encode("gb18030"), "中文", "GB2312"),
        ('<meta charset="utf-16">é'.encode(), "é", "UTF-8"),
        ('<meta charset="zip">é'.encode(), "é", "UTF-8"),
        ('\ufeff<meta charset="latin-1">é'.encode("utf-16"), "é", "UTF-16 with a byte order mark"),
    ],
)
def test_a_declared_encoding_counts_unless_it_cannot_be(raw, text, form):
    markup, found, _ = decode_declared(raw, "t")
    assert markup.endswith(text)
    assert found == form


def test_a_page_is_known_by_its_name_or_its_beginning():
    assert is_html(b"words", "a.HTML")
    assert is_html(b"\xef\xbb\xbf \n<?xml version='1.0'?>\n<!-- x --><!DOCTYPE html>", "a.txt")
    assert is_html(b"<html lang=de>", "a")
    assert not is_html(b"<script>alert(1)</script>", "a.txt")
    assert not is_html(b"An <html> tag begins a page.", "a.txt")
