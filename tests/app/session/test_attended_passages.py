"""Where an answer came from: attention as the stock model has it, and the passage that holds the key."""

import numpy as np
import pytest
import torch
from transformers import LlamaForCausalLM

from app.assets import MODELS
from app.session import answer_view, attended_passages, document_loading, questions, transcript
from app.session.attended_passages import FIRST, WINDOW, AnswerWatch
from app.session.documents import Document, at_once
from app.session.sessions import Session
from longsight.generation.decode import Sampling, decode
from longsight.generation.prefill import prefill
from longsight.generation.text_encoding import encoder_of
from longsight.methods import METHODS
from longsight.models.model import load
from longsight.progress import finish
from tests.app.conftest import TEXT

FILLER = "The grass is green. The sky is blue. The sun is yellow. Here we go. There and back again. "
HAYSTACK = FILLER * 12 + "The pass key is 48213. Remember it. 48213 is the pass key. " + FILLER * 16


def watched(model, method, text, tokens=6):
    """The prompt for a text, its answer, the watch that looked on, and how many tokens were cut off."""
    encoded = finish(encoder_of(model.tokenizer).steps(text))
    prompt = transcript.make_prompt(model.tokenizer, encoded, [], "What is the pass key?")
    prefilled, watch = prefill(model, prompt.ids.tolist(), method), AnswerWatch(model.seam.attending[0])
    skipped = len(prompt.ids) - prefilled.cache.length
    answer = list(decode(model, prefilled, Sampling(max_new_tokens=tokens), watch))
    return prompt, answer, watch, skipped


def test_attention_is_that_of_the_stock_model(model, models_folder):
    prompt, answer, watch, _ = watched(model, METHODS["vanilla"](), TEXT)
    stock = LlamaForCausalLM.from_pretrained(models_folder / "tiny", attn_implementation="eager")
    ids = torch.tensor([*prompt.ids.tolist(), *answer])[None]
    seen = torch.stack(stock(ids, output_attentions=True).attentions)[:, 0]  # layer, head, query, key
    rows = seen[:, :, len(prompt.ids) : len(prompt.ids) + len(answer) - 1].flatten(0, 2)
    squares, windows = rows.square().sum(0), rows.unfold(-1, WINDOW, 1).sum(-1).amax(0)
    n = len(prompt.ids)
    torch.testing.assert_close(watch.squares[:n], squares[:n], atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(watch.most[: n - WINDOW], windows[: n - WINDOW], atol=1e-5, rtol=1e-4)


def test_tokens_of_a_prompt_know_where_they_stand_in_the_document(model):
    for text in (TEXT, TEXT * 200):  # rendered whole, and joined to the template at its ends
        encoded = finish(encoder_of(model.tokenizer).steps(text))
        prompt = transcript.make_prompt(model.tokenizer, encoded, [], "Why?")
        inside = np.flatnonzero(prompt.starts >= 0)
        assert (np.diff(inside) == 1).all()
        ends = [*prompt.starts[inside[1:]], len(text)]
        pieces = [text[a:b] for a, b in zip(prompt.starts[inside], ends, strict=True)]
        said = [model.tokenizer.decode([token]) for token in prompt.ids[inside]]
        assert said[:-1] == pieces[:-1]  # the last one may go on behind the document
        assert len(prompt.starts) == len(prompt.ids)
    assert (transcript.make_prompt(model.tokenizer, None, [], "Why?").starts == -1).all()


@pytest.fixture(scope="module")
def embedded():
    return load(MODELS / "rope-small")


@pytest.mark.parametrize("key", ["lm-infinite", "self-extend"])
def test_the_passage_that_was_looked_at_hardest_holds_the_key(embedded, key):
    method = embedded.method(key, 1500)
    prompt, answer, watch, skipped = watched(embedded, method, HAYSTACK, 12)
    assert "48213" in embedded.tokenizer.decode(answer)
    first, *others = watch.passages(HAYSTACK, prompt.starts, skipped)
    assert "48213" in first.text
    assert HAYSTACK.find(f"{first.before}{first.text}{first.after}") >= 0
    assert first.share > 0.5
    assert all("48213 is" not in other.text for other in others)
    encoded = finish(encoder_of(embedded.tokenizer).steps(HAYSTACK))
    at = HAYSTACK.find(first.before + first.text) + len(first.before)
    assert at <= encoded.starts[first.token] < at + len(first.text)
    for found in (first, *others):  # whole words
        assert not (found.before[-1:] + found.text[:1]).isalnum()
        assert not (found.text[-1:] + found.after[:1]).isalnum()


def test_what_was_never_read_was_not_looked_at(embedded):
    prompt, _, watch, skipped = watched(embedded, embedded.method("truncation", 1500), HAYSTACK, 4)
    assert skipped > 0
    kept = prompt.starts[skipped + FIRST]
    assert all(HAYSTACK.rfind(found.text) >= kept for found in watch.passages(HAYSTACK, prompt.starts, skipped))


@pytest.mark.parametrize("budget", ["TOKENS", "SECONDS", "LONGEST"])
def test_beyond_the_budget_nothing_is_looked_at(embedded, budget, monkeypatch):
    monkeypatch.setattr(attended_passages, budget, -1)
    prompt, answer, watch, skipped = watched(embedded, METHODS["window"](window=64), HAYSTACK)
    assert len(answer) == 6
    assert watch.passages(HAYSTACK, prompt.starts, skipped) == []


def test_a_conversation_shows_passages_with_the_first_question_and_the_next(embedded):
    session, document = Session(), Document("haystack", HAYSTACK, len(HAYSTACK))
    finish(document_loading.take_steps(session, embedded, at_once(lambda: document)))
    for text in ("What is the pass key?", "Tell me the pass key."):
        asked = questions.check_question(text, [embedded.method("lm-infinite", 1500)], 12, 0, 0)
        finish(questions.ask_steps(session, embedded, asked))
    for turn in answer_view.conversation(session.turns)["turns"]:
        [cell] = turn["cells"]
        assert "48213" in cell["passages"][0]["text"]
        assert cell["passages"][0]["said"].startswith("from token ")
    assert session.turns[1].cells[0].reused > 0
    finish(questions.ask_steps(Session(), embedded, asked))  # without a document
