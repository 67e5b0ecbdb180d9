"""The document's card: its numbers, its ends, and nothing of it ever as markup."""

import pytest

from app.panels import context
from app.panels.context import UNSET, choose, clear, take, upload
from app.session import document_loading
from app.session.documents import Document, read_document
from app.session.samples import samples
from longsight.errors import LongSightError


def last(updates):
    return list(updates)[-1]


@pytest.fixture
def file(tmp_path):
    def write(raw, name="text.txt"):
        path = tmp_path / name
        path.write_bytes(raw if isinstance(raw, bytes) else raw.encode())
        return str(path)

    return write


def test_an_uploaded_text_shows_its_tokens_against_the_trained_length_at_once(model, session, file):
    card, remove, example, length = last(upload(file("The grass is green. " * 100), "tiny", session))
    count = document_loading.token_count(session, model)
    assert f"<strong>{count:,}</strong> tokens = <strong>{count / 32:,.0f} ×</strong> the trained length of 32" in card
    assert "text.txt" in card
    assert "2.0 kB" in card
    assert remove.constructor_args["visible"]
    assert example == UNSET
    assert length == count + document_loading.ANSWER_ROOM


def test_steps_are_named_while_a_text_is_taken_in(model, session, file):
    first = next(upload(file("words " * 100), "tiny", session))
    assert "tokenizing …" in first[0]


@pytest.mark.parametrize("text", ["<script>alert(1)</script>", '<img src=x onerror="alert(1)">', "</div><b>bold"])
def test_markup_in_a_text_or_its_name_is_shown_as_text(model, session, file, text):
    card = last(take(session, model, lambda: Document(text, text, len(text))))[0]
    assert text not in card
    assert "&lt;" in card
    assert "<script" not in card
    assert "<img" not in card


def test_a_bad_text_gets_its_sentence_on_the_card_and_the_one_before_stays(model, session, file):
    list(upload(file("A good text."), "tiny", session))
    kept = session.document
    card, *_ = last(upload(file(b"\x00\x01", "bad<b>.txt"), "tiny", session))
    assert "A good text." in card
    assert 'role="alert">bad&lt;b&gt;.txt is not plain text' in card
    assert session.document is kept


def test_an_upload_is_deleted_once_it_is_read_or_refused(model, session, file, tmp_path):
    list(upload(file("A good text."), "tiny", session))
    list(upload(file(b"\0", "bad.txt"), "tiny", session))
    assert list(tmp_path.iterdir()) == []
    card, *_ = last(upload(str(tmp_path / "gone.txt"), "tiny", session))
    assert "gone.txt is not on the server any more; give it again." in card


def test_of_two_texts_that_come_in_together_the_later_one_stays(model, session):
    one, two = Document("one", "first words", 11), Document("two", "second words", 12)
    first = document_loading.take_steps(session, model, one)
    next(first)
    list(document_loading.take_steps(session, model, two))
    list(first)
    assert session.document is two


def test_removing_leaves_an_invitation(model, session, file):
    list(upload(file("A good text."), "tiny", session))
    card, remove, _, length = clear("tiny", session)
    assert card == context.NOTHING
    assert not remove.constructor_args["visible"]
    assert length == model.train_length
    assert document_loading.describe(session, model) == ""


@pytest.mark.parametrize("key", samples())
def test_every_example_document_is_there_names_its_source_and_is_far_longer_than_the_training(model, session, key):
    entry = samples()[key]
    assert entry.source
    assert entry.question
    assert len(entry.document().text.encode()) < 300_000
    assert "The pass key is " in entry.document().text
    _, _, example, length = last(choose(key, "tiny", session))
    assert example == key
    assert length > 4 * model.train_length


def test_an_unknown_example_from_a_raw_call_is_refused(model, session):
    with pytest.raises(Exception, match="no example document"):
        list(choose("../../etc/passwd", "tiny", session))


def test_no_file_is_refused(model, session):
    with pytest.raises(Exception, match="No file arrived"):
        list(upload(None, "tiny", session))


def test_reading_is_done_before_the_old_text_is_let_go(model, session, file, monkeypatch):
    list(upload(file("A good text."), "tiny", session))

    def fails(*args):
        raise LongSightError("This model has no tokenizer.")
        yield

    monkeypatch.setattr(document_loading, "tokenize_steps", fails)
    card, *_ = last(take(session, model, lambda: read_document(file("Another."))))
    assert "A good text." in card
    assert "This model has no tokenizer." in card
