"""The document's card: its numbers, its ends, and nothing of it ever as markup."""

import pytest

from app import context_panel, intake
from app.context_panel import UNSET, choose, clear, describe, take, upload
from app.documents import Document, read_document
from app.samples import samples
from engine.errors import LongSightError


def last(updates):
    return list(updates)[-1]


@pytest.fixture
def file(tmp_path):
    def write(raw, name="text.txt"):
        path = tmp_path / name
        path.write_bytes(raw if isinstance(raw, bytes) else raw.encode())
        return str(path)

    return write


def test_an_uploaded_text_shows_its_tokens_against_the_trained_length_at_once(model, visit, file):
    card, remove, example, length = last(upload(file("The grass is green. " * 100), "tiny", visit))
    count = intake.token_count(visit, model)
    assert f"<strong>{count:,}</strong> tokens = <strong>{count / 32:,.0f} ×</strong> the trained length of 32" in card
    assert "text.txt" in card
    assert "2.0 kB" in card
    assert remove.constructor_args["visible"]
    assert example == UNSET
    assert length == count + intake.ANSWER_ROOM


def test_steps_are_named_while_a_text_is_taken_in(model, visit, file):
    first = next(upload(file("words " * 100), "tiny", visit))
    assert "tokenizing …" in first[0]


@pytest.mark.parametrize("text", ["<script>alert(1)</script>", '<img src=x onerror="alert(1)">', "</div><b>bold"])
def test_markup_in_a_text_or_its_name_is_shown_as_text(model, visit, file, text):
    card = last(take(visit, model, lambda: Document(text, text, len(text))))[0]
    assert text not in card
    assert "&lt;" in card
    assert "<script" not in card
    assert "<img" not in card


def test_a_bad_text_gets_its_sentence_on_the_card_and_the_one_before_stays(model, visit, file):
    list(upload(file("A good text."), "tiny", visit))
    kept = visit.document
    card, *_ = last(upload(file(b"\x00\x01", "bad<b>.txt"), "tiny", visit))
    assert "A good text." in card
    assert 'role="alert">bad&lt;b&gt;.txt is not plain text' in card
    assert visit.document is kept


def test_an_upload_is_deleted_once_it_is_read_or_refused(model, visit, file, tmp_path):
    list(upload(file("A good text."), "tiny", visit))
    list(upload(file(b"\0", "bad.txt"), "tiny", visit))
    assert list(tmp_path.iterdir()) == []
    card, *_ = last(upload(str(tmp_path / "gone.txt"), "tiny", visit))
    assert "gone.txt is not on the server any more; give it again." in card


def test_of_two_texts_that_come_in_together_the_later_one_stays(model, visit):
    one, two = Document("one", "first words", 11), Document("two", "second words", 12)
    first = intake.take_steps(visit, model, one)
    next(first)
    list(intake.take_steps(visit, model, two))
    list(first)
    assert visit.document is two


def test_removing_leaves_an_invitation(model, visit, file):
    list(upload(file("A good text."), "tiny", visit))
    card, remove, _, length = clear("tiny", visit)
    assert card == context_panel.NOTHING
    assert not remove.constructor_args["visible"]
    assert length == model.train_length
    assert describe(visit, model) == ""


@pytest.mark.parametrize("key", samples())
def test_every_example_document_is_there_names_its_source_and_is_far_longer_than_the_training(model, visit, key):
    entry = samples()[key]
    assert entry.source
    assert entry.question
    assert len(entry.document().text.encode()) < 300_000
    assert "The pass key is " in entry.document().text
    _, _, example, length = last(choose(key, "tiny", visit))
    assert example == key
    assert length > 4 * model.train_length


def test_an_unknown_example_from_a_raw_call_is_refused(model, visit):
    with pytest.raises(Exception, match="no example document"):
        list(choose("../../etc/passwd", "tiny", visit))


def test_no_file_is_refused(model, visit):
    with pytest.raises(Exception, match="No file arrived"):
        list(upload(None, "tiny", visit))


def test_reading_is_done_before_the_old_text_is_let_go(model, visit, file, monkeypatch):
    list(upload(file("A good text."), "tiny", visit))

    def fails(*args):
        raise LongSightError("This model has no tokenizer.")
        yield

    monkeypatch.setattr(intake, "tokenize_steps", fails)
    card, *_ = last(take(visit, model, lambda: read_document(file("Another."))))
    assert "A good text." in card
    assert "This model has no tokenizer." in card
