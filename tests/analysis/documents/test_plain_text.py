"""Encodings: told by a mark, by being UTF-8, or by their letters; and never without saying so."""

import codecs

import pytest

from analysis.documents.file_text import NoWordsError
from analysis.documents.plain_text import BY_LETTERS, MARKS, TITLES, read_plain
from longsight.errors import LongSightError

GERMAN = "Die Straße führt über schöne Hügel, und die Mädchen grüßen.\n"
CHINESE = "天地玄黄,宇宙洪荒。日月盈昃,辰宿列张。我们今天一起去图书馆看书。\n"
RUSSIAN = "Все счастливые семьи похожи друг на друга.\n"


@pytest.mark.parametrize(("mark", "encoding"), MARKS.items())
def test_a_mark_decides_and_is_no_part_of_the_text(mark, encoding):
    text = GERMAN + CHINESE
    assert mark == "\ufeff".encode(encoding)
    read = read_plain(mark + text.encode(encoding), "t")
    assert (read.text, read.form, read.note) == (text, f"{TITLES[encoding]} with a byte order mark", "")


@pytest.mark.parametrize(
    "text", ["plain", GERMAN, "👩‍👩‍👧‍👦 emoji", "שלום עולם", "<script>alert(1)</script>", "\u202eoverride"]
)
def test_utf_8_needs_no_mark_and_no_word(text):
    assert read_plain(text.encode(), "t").said == "UTF-8"
    assert read_plain(text.encode(), "t").text == text


@pytest.mark.parametrize(
    ("text", "encoding", "title"),
    [
        (GERMAN, "latin-1", "Latin-1 (Windows-1252)"), ("café au lait", "latin-1", "Latin-1 (Windows-1252)"),
        ("“Naïve,” he said.", "cp1252", "Latin-1 (Windows-1252)"), (CHINESE, "gb18030", "GB18030"),
        (RUSSIAN, "cp1251", "Windows-1251"), (RUSSIAN, "koi8-r", "KOI8-R"), (GERMAN, "utf-16-le", "UTF-16"),
        (GERMAN, "utf-16-be", "UTF-16"), (CHINESE, "utf-16-le", "UTF-16"), (RUSSIAN, "utf-16-be", "UTF-16"),
    ],
)  # fmt: skip
def test_other_encodings_are_told_by_their_letters_and_that_is_said(text, encoding, title):
    read = read_plain(text.encode(encoding), "t")
    assert (read.text, read.form) == (text, title)
    assert read.note.startswith("It has no byte order mark and is not UTF-8; this encoding fits its letters best.")


def test_the_letters_are_looked_at_where_they_are():
    raw = ("A plain line.\n" * 100_000 + GERMAN).encode("latin-1")
    assert read_plain(raw, "t").text.endswith(GERMAN)


def test_every_encoding_is_one_that_python_knows():
    assert all(codecs.lookup(encoding) for encoding in BY_LETTERS)


def test_line_ends_become_those_of_unix():
    assert read_plain(b"one\r\ntwo\rthree\n", "t").text == "one\ntwo\nthree\n"


@pytest.mark.parametrize(
    ("raw", "sentence"),
    [
        (b"abc\0def", "t.txt is not plain text: it has a NUL character at position 3. Give a .txt file."),
        (b"\x00\x01", "has a NUL character at position 0"),
        (b"\x89PNG\r\n\x1a\n\0\0", "t.txt is not text in UTF-8, and in no other encoding that is known here."),
        (b"\xff\xfea", "begins with the byte order mark of UTF-16, but is not UTF-16 from position 2 on."),
        ("schöne Hügel ".encode() * 9 + b"\xff", "is text in UTF-8 but for byte 0xff at position 135, and perhaps"),
        (b"\x01\x02\x03 words", "is not plain text: it has 3 control characters"),
    ],
)
def test_what_is_no_text_gets_one_sentence_with_the_place_and_the_remedy(raw, sentence):
    with pytest.raises(LongSightError) as refused:
        read_plain(raw, "t.txt")
    assert str(refused.value).startswith("t.txt ")
    assert sentence in str(refused.value)


@pytest.mark.parametrize("raw", [b"", b" \n\t ", b"\xef\xbb\xbf"])
def test_nothing_is_no_text(raw):
    with pytest.raises(NoWordsError, match="t has no text in it; give one with words"):
        read_plain(raw, "t")
