"""What programs give along with what they ask becomes the session's text, and is read once."""

from app.session import document_loading, given_texts
from app.session.given_texts import GivenText
from longsight.progress import finish


def test_the_same_words_in_another_file_are_told_as_what_they_came_in_and_not_read_again(model, session, upload_folder):
    text = "The grass is green, the cat is grey."
    files = {"utf8.txt": text.encode(), "utf16.txt": text.encode("utf-16")}
    told, tokens = [], []
    for name, raw in files.items():
        (upload_folder / name).write_bytes(raw)
        finish(given_texts.take_steps(session, model, GivenText(file=str(upload_folder / name))))
        assert session.document is not None
        told.append((session.document.name, session.document.nbytes, "UTF-16" in session.document.form))
        tokens.append(session.tokens[model.name])
        assert document_loading.token_count(session, model) > 0
    assert told == [(name, len(raw), name == "utf16.txt") for name, raw in files.items()]
    assert tokens[0] is tokens[1]
