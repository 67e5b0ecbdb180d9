"""Whatever is pasted or uploaded becomes a document, or one clear sentence."""

import pytest

from app.session import document_loading
from app.session.documents import Document, at_once, read_upload
from app.session.sessions import Session
from longsight.errors import LongSightError
from longsight.progress import finish
from tests.analysis.documents.made_files import pdf
from tests.app.conftest import TEXT


def read(path):
    return finish(read_upload(path))


def test_an_upload_becomes_a_document_that_knows_what_it_was(upload_folder):
    path = upload_folder / "book.pdf"
    path.write_bytes(pdf("A line", ""))
    document = read(path)
    assert (document.name, document.text, document.nbytes) == ("book.pdf", "A line", path.stat().st_size)
    assert document.form == "PDF, 2 pages"
    assert document.note.endswith("Left out: 1 image.")


@pytest.mark.parametrize(
    ("raw", "sentence"),
    [(b"", "has no text in it; give one with words"), (b"%PDF-1.7", "cannot be read as PDF"), (b"a\0b", "a NUL")],
)
def test_what_is_no_text_gets_one_sentence(upload_folder, raw, sentence):
    path = upload_folder / "thing.txt"
    path.write_bytes(raw)
    with pytest.raises(LongSightError, match=f"^thing.txt .*{sentence}"):
        read(path)


def test_a_long_paste_has_a_name_a_person_understands(upload_folder):
    (upload_folder / "pasted_text.txt").write_bytes(b"some words")
    assert read(upload_folder / "pasted_text.txt").name == "pasted text"


def test_a_document_gives_way_to_a_newer_one_and_to_whoever_leaves(model):
    session, long = Session(), Document("long.txt", TEXT * 3000, len(TEXT) * 3000)
    older = document_loading.take_steps(session, model, at_once(lambda: long))
    next(older)
    assert list(document_loading.take_steps(session, model, at_once(lambda: Document("new.txt", "New.", 4))))
    assert list(older) == []
    assert session.document.name == "new.txt"
    again = document_loading.take_steps(session, model, at_once(lambda: long))
    next(again)
    session.leave()
    assert list(again) == []
    assert session.document.name == "new.txt"


def test_tokens_that_are_counted_while_another_text_comes_in_are_not_counted_as_its_own(model, document):
    session = Session()
    session.take(document)
    counting = document_loading.tokens_steps(session, model)
    next(counting)
    session.take(None)
    assert len(finish(counting)) > 0
    assert document_loading.token_count(session, model) == 0
    assert document_loading.target_length(session, model) == model.train_length


def test_a_file_that_is_still_being_read_gives_way_too(model, upload_folder):
    (upload_folder / "long.pdf").write_bytes(pdf(*["words"] * 300))
    session = Session()
    reading = read_upload(upload_folder / "long.pdf")
    older = document_loading.take_steps(session, model, reading)
    assert "reading" in next(older).doing
    session.incoming = None  # it was removed
    assert list(older) == []
    assert session.document is None
    assert reading.gi_frame is None, "its process was ended"
