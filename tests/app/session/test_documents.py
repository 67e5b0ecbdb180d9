"""Whatever is pasted or uploaded becomes a document, or one clear sentence."""

import pytest

from app.session import document_loading
from app.session.documents import Document, decode, read_document
from app.session.sessions import Session
from longsight.errors import LongSightError
from tests.app.conftest import TEXT


def run(steps):
    parts = []
    while True:
        try:
            parts.append(next(steps))
        except StopIteration as finished:
            return parts, finished.value


@pytest.mark.parametrize(
    ("raw", "sentence"),
    [
        (b"", "has no text in it; paste or upload one with words"),
        (b" \n\t ", "has no text in it"),
        (b"abc\0def", "has a NUL character at position 3. Give a .txt file"),
        (b"%PDF-1.7\n%\xe2\xe3", "is a PDF, whatever its name says; save its text"),
        (b"caf\xe9 au lait", "is not text in UTF-8: byte 0xe9 at position 3. Save it as UTF-8"),
        (b"\x89PNG\r\n\x1a\n\0\0", "is not text in UTF-8: byte 0x89 at position 0"),
        (b"\xff\xfea", "is not text in UTF-8"),
    ],
)
def test_what_is_no_text_gets_one_sentence_with_the_place_and_the_remedy(raw, sentence):
    with pytest.raises(LongSightError) as refused:
        decode(raw, "thing.txt")
    assert str(refused.value).startswith("thing.txt ")
    assert sentence in str(refused.value)


@pytest.mark.parametrize(
    "text",
    [
        "plain",
        "👩‍👩‍👧‍👦 emoji 🏳️‍🌈",
        "שלום עולם",
        "مرحبا بالعالم",
        "<script>alert(1)</script>",
        "a\ud7ffb",
        "\u200f\u202eoverride",
    ],
)
def test_any_text_is_taken_as_it_is(text):
    assert decode(text.encode(), "t") == text


def test_byte_order_marks_are_understood_and_line_ends_unified():
    assert decode("\ufeffone\r\ntwo".encode(), "t") == "one\ntwo"
    assert decode("one\r\ntwo".encode("utf-16"), "t") == "one\ntwo"


def test_a_long_paste_has_a_name_a_person_understands():
    assert read_document(b"some words", "pasted_text.txt").name == "pasted text"


def test_a_document_gives_way_to_a_newer_one_and_to_whoever_leaves(model):
    session, long = Session(), Document("long.txt", TEXT * 3000, len(TEXT) * 3000)
    older = document_loading.take_steps(session, model, long)
    next(older)
    assert list(document_loading.take_steps(session, model, Document("new.txt", "New.", 4)))
    assert list(older) == []
    assert session.document.name == "new.txt"
    again = document_loading.take_steps(session, model, long)
    next(again)
    session.leave()
    assert list(again) == []
    assert session.document.name == "new.txt"
