"""The document's card: its numbers, its ends, and nothing of it ever as markup."""

from pathlib import Path
from types import SimpleNamespace

import gradio as gr
import pytest

from app.assets import STYLES
from app.components.plot import PLOTLY_JS
from app.panels import context
from app.panels.context import UNSET, build_context
from app.session import document_loading
from app.session.documents import Document, at_once, read_upload
from app.session.samples import samples
from app.session.sessions import Session
from longsight.errors import LongSightError
from tests.analysis.documents.made_files import pdf


def last(updates):
    return list(updates)[-1]


@pytest.fixture
def panel():
    with gr.Blocks():
        return build_context()


@pytest.fixture
def file(upload_folder):
    def write(raw, name="text.txt"):
        path = upload_folder / name
        path.write_bytes(raw if isinstance(raw, bytes) else raw.encode())
        return str(path)

    return write


def test_an_uploaded_text_shows_its_tokens_against_the_trained_length_at_once(model, panel, session, file):
    updates = last(panel.take_file(file("The grass is green. " * 100), "tiny", session))
    card = updates[panel.card]
    count = document_loading.token_count(session, model)
    assert f"<strong>{count:,}</strong> tokens = <strong>{count / 32:,.0f} ×</strong> the trained length of 32" in card
    assert "text.txt" in card
    assert "2.0 kB" in card
    assert updates[panel.remove].constructor_args["visible"]
    assert updates[panel.example] == UNSET
    assert updates[panel.length] == count + document_loading.ANSWER_ROOM


def test_the_card_says_what_a_file_was_and_what_is_left_out(model, panel, session, file):
    card = last(panel.take_file(file("Käse und Brot".encode("latin-1")), "tiny", session))[panel.card]
    assert "13 B · Latin-1 (Windows-1252)</span>" in card
    assert '<p class="note">It has no byte order mark and is not UTF-8; this encoding fits its letters best.' in card
    card = last(panel.take_file(file(pdf("words", ""), "a.pdf"), "tiny", session))[panel.card]
    assert "PDF, 2 pages</span>" in card
    assert "Left out: 1 image.</p>" in card
    assert 'class="note"' not in last(panel.take_file(file("Plain."), "tiny", session))[panel.card]


def test_remove_takes_away_what_is_still_coming_in(model, panel, session, file):
    coming = panel.take_file(file(pdf(*["words"] * 300), "long.pdf"), "tiny", session)
    first = next(coming)
    assert "reading" in first[panel.card]
    assert first[panel.remove].constructor_args["visible"]
    panel.clear("tiny", session)
    assert context.NOTHING in last(coming)[panel.card]
    assert session.document is None


def test_steps_are_named_while_a_text_is_taken_in(model, panel, session, file):
    first = next(panel.take_file(file("words " * 100), "tiny", session))
    assert "tokenizing …" in first[panel.card]


@pytest.mark.parametrize("text", ["<script>alert(1)</script>", '<img src=x onerror="alert(1)">', "</div><b>bold"])
def test_markup_in_a_text_or_its_name_is_shown_as_text(model, panel, session, file, text):
    card = last(panel.take(session, model, text, at_once(lambda: Document(text, text, len(text), text, text))))[
        panel.card
    ]
    assert text not in card
    assert "&lt;" in card
    assert "<script" not in card
    assert "<img" not in card


def test_a_bad_text_gets_its_sentence_on_the_card_and_the_one_before_stays(model, panel, session, file):
    list(panel.take_file(file("A good text."), "tiny", session))
    kept = session.document
    card = last(panel.take_file(file(b"\x00\x01", "bad<b>.txt"), "tiny", session))[panel.card]
    assert "A good text." in card
    assert 'role="alert">bad&lt;b&gt;.txt is not plain text' in card
    assert session.document is kept


def test_two_visitors_with_the_same_file_both_read_it(model, panel, session, file):
    path, other = file("A good text."), Session()
    for visitor in (session, other):
        list(panel.take_file(path, "tiny", visitor))
    assert session.document.text == other.document.text == "A good text."


def test_what_is_served_to_everyone_is_no_upload_and_stays(model, panel, session, tmp_path):
    for path in (PLOTLY_JS, STYLES / "longsight.css", STYLES, tmp_path / "gone.txt", "", "a\0b"):
        before = Path(str(path)).exists() if path != "a\0b" else False
        card = last(panel.take_file(str(path), "tiny", session))[panel.card]
        assert "is not among the uploads of this server any more; give it again." in card
        assert session.document is None
        assert not before or Path(path).exists()


def test_of_two_texts_that_come_in_together_the_later_one_stays(model, panel, session):
    one, two = Document("one", "first words", 11), Document("two", "second words", 12)
    first = document_loading.take_steps(session, model, at_once(lambda: one))
    next(first)
    list(document_loading.take_steps(session, model, at_once(lambda: two)))
    list(first)
    assert session.document is two


def test_removing_leaves_an_invitation(model, panel, session, file):
    list(panel.take_file(file("A good text."), "tiny", session))
    updates = panel.clear("tiny", session)
    assert updates[panel.card] == context.NOTHING
    assert not updates[panel.remove].constructor_args["visible"]
    assert updates[panel.length] == model.train_length
    assert document_loading.describe(session, model) == ""


@pytest.mark.parametrize("key", samples())
def test_every_example_document_is_there_names_its_source_and_is_far_longer_than_the_training(
    model, panel, session, key
):
    entry = samples()[key]
    assert entry.source
    assert entry.question
    assert len(entry.document().text.encode()) < 300_000
    assert "The pass key is " in entry.document().text
    updates = last(panel.take_example(key, "tiny", session))
    assert updates[panel.example] == key
    assert updates[panel.length] > 4 * model.train_length


def test_a_list_of_examples_that_is_only_left_takes_no_text_away(model, panel, session, file):
    list(panel.take_file(file("My own words."), "tiny", session))
    assert list(panel.take_example(UNSET, "tiny", session)) == [gr.skip()]
    assert session.document.text == "My own words."


def test_an_unknown_example_from_a_raw_call_is_refused(model, panel, session):
    with pytest.raises(Exception, match="no example document"):
        list(panel.take_example("../../etc/passwd", "tiny", session))


def test_no_file_is_refused(model, panel, session):
    with pytest.raises(Exception, match="No file arrived"):
        list(panel.take_file(None, "tiny", session))


def test_reading_is_done_before_the_old_text_is_let_go(model, panel, session, file, monkeypatch):
    list(panel.take_file(file("A good text."), "tiny", session))

    def fails(*args):
        raise LongSightError("This model has no tokenizer.")
        yield

    monkeypatch.setattr(document_loading, "encoder_of", lambda tokenizer: SimpleNamespace(steps=fails))
    card = last(panel.take(session, model, "text.txt", read_upload(file("Another."))))[panel.card]
    assert "A good text." in card
    assert "This model has no tokenizer." in card
