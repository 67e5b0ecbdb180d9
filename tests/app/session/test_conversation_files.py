"""A saved conversation says all that it depended on, and its texts stay what they were."""

import json
import re
from dataclasses import fields

import pytest
from markdown_it import MarkdownIt

from analysis.runs import make_runs
from app.session import conversation_files, document_loading, questions
from app.session.answers import Answer
from app.session.conversation_files import FORMATS, files
from app.session.documents import Document, at_once
from app.session.sessions import ConversationTurn
from longsight.errors import LongSightError
from longsight.methods import METHODS
from longsight.progress import finish

KEYED = "It was dark. The pass key is 86409. It was late. " * 9


@pytest.fixture
def asked(model, session):
    """A conversation of two turns, one of them failed."""
    document = Document("key [x](y).txt", KEYED, len(KEYED))
    finish(document_loading.take_steps(session, model, at_once(lambda: document)))
    methods = [METHODS["window"](window=16), METHODS["self-extend"](group=4, window=16)]
    for text in ("What is the pass key?", "~~~\n# Why?"):
        finish(questions.ask_steps(session, model, questions.check_question(text, methods, 3, 0.5, 7)))
    session.turns[-1].cells[0].fail("It did not fit.")
    return session


def test_the_file_for_programs_holds_everything(asked, model):
    name, found = files("json", asked)
    told = json.loads(found[f"{name}.json"])
    assert {"longsight", "python", "torch", "transformers"} <= told["versions"].keys()
    assert (told["document"]["name"], told["document"]["characters"]) == ("key [x](y).txt", len(KEYED))
    assert "dark" not in json.dumps(told["document"])
    first, second = told["turns"]
    assert (first["model"], first["train_length"]) == ("tiny", model.train_length)
    assert (first["longest"], first["temperature"], first["seed"]) == (3, 0.5, 7)
    for answer, cell in zip(first["answers"], asked.turns[0].cells, strict=True):
        method = METHODS[answer["method"]](**answer["parameters"])
        assert method == cell.run.method
        assert answer["text"] == cell.text
        assert answer["verdict"] in ("key not found", "noise, key not found")
    assert (second["answers"][0]["error"], second["answers"][0]["verdict"]) == ("It did not fit.", None)


def test_the_file_for_people_has_each_text_as_it_was_and_all_parameters(asked):
    name, found = files("md", asked)
    text = found[f"{name}.md"].decode()
    blocks = [token.content for token in MarkdownIt().parse(text) if token.type == "fence"]
    said = [part for turn in asked.turns for part in (turn.question, *(cell.text or cell.error for cell in turn.cells))]
    assert [block.removesuffix("\n") for block in blocks] == [part.removesuffix("\n") for part in said]
    assert text.count("tiny, longest answer 3, temperature 0.5, seed 7.") == 2
    for spec in fields(METHODS["self-extend"]):
        assert re.search(rf"- `self-extend` with .*\b{spec.name}=", text)
    assert "- key not found: 86409 is not in it" in text or "- noise, key not found:" in text
    assert "[x](y)" not in text


@pytest.mark.parametrize("kind", FORMATS)
def test_before_the_first_question_there_is_a_sentence(session, kind):
    with pytest.raises(LongSightError, match="Nothing has been asked yet"):
        files(kind, session)


def test_a_conversation_without_a_document_is_saved_too(session):
    [run] = make_runs([METHODS["vanilla"]()])
    session.turns.append(ConversationTurn("Why?", "", [Answer(run, state=Answer.STOPPED)], 16, model="tiny"))
    assert conversation_files.conversation(session)["document"] is None
    assert b"- stopped" in files("md", session)[1]["longsight-conversation.md"]
