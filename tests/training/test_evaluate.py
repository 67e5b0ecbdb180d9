"""The evaluation asks what it says, and counts what it finds."""

from __future__ import annotations

import json
import math
import types

import numpy as np
import pytest
import torch

from training import card
from training.evaluate import ANSWER_ROOM, Loaded, by_position, fit, main, prose, read, right_answers
from training.questions import Question, absent_key, named_key, pass_key, second_turn
from training.wording import ABSENT


@pytest.mark.parametrize("tokens", [150, 400])
@pytest.mark.parametrize("depth", [0.0, 0.5, 1.0])
def test_questions_fill_the_length(tokens, depth, corpus, tokenizer):
    for source in (corpus, None):
        question = fit(tokenizer, lambda rng, size, s=source: pass_key(rng, s, size, depth), tokens, seed=1)
        prompt = question.prompt(tokenizer)
        assert tokens - ANSWER_ROOM - 30 < len(tokenizer(prompt).input_ids) <= tokens - ANSWER_ROOM
        assert prompt.count(question.value) == 2
        place = prompt.index(question.value) / len(prompt)
        assert abs(place - depth) < 0.4


def test_every_question_has_its_answer_in_the_text(corpus):
    for seed in range(30):
        for ask in (named_key, second_turn):
            question = ask(np.random.default_rng(seed), corpus, 800)
            name = question.messages[-1]["content"].split(" of the ")[-1].removesuffix("?")
            assert f"The key of the {name} is {question.value}." in question.messages[0]["content"]
        assert "pass key is" not in absent_key(np.random.default_rng(seed), corpus, 800).messages[0]["content"]


@pytest.mark.parametrize(
    ("value", "answer", "right"),
    [
        ("86409", "The pass key is 86409.", True),
        ("86409", "The pass key is 8640.", False),
        ("86409", "The pass key is 86409 or 11111.", False),
        ("86409", ABSENT, False),
        (None, ABSENT, True),
        (None, "The pass key is 86409.", False),
        (None, "The the the", False),
    ],
)
def test_what_counts_as_right(value, answer, right):
    assert Question((), value).is_answered_by(answer) is right


def test_right_answers_are_counted(corpus, tokenizer):
    """With an answerer that finds the key in every second text, half of the answers are right."""
    texts = []

    def answer(prompt: str) -> str:
        texts.append(prompt)
        return "The pass key is " + prompt.split("The pass key is ")[1][:5] if len(texts) % 2 else ABSENT

    loaded = types.SimpleNamespace(tokenizer=tokenizer, answer=answer)
    assert right_answers(loaded, lambda rng, size: pass_key(rng, corpus, size, 0.5), tokens=200, trials=8) == 4
    assert len(set(texts)) == 8


class Uniform(torch.nn.Module):
    """A model that finds all tokens equally likely."""

    device = torch.device("cpu")

    def forward(self, input_ids, use_cache):
        return types.SimpleNamespace(logits=torch.zeros(*input_ids.shape, 500))


def test_bits_per_byte_of_a_uniform_model(corpus, tokenizer):
    loaded = Loaded(Uniform(), tokenizer, length=64)
    text = "Dada lili. Größe 12 — " + corpus.documents[0].text
    nll, sizes = read(loaded, text)
    assert len(nll) == len(sizes) == 127
    assert np.allclose(nll, math.log(500))
    ids = tokenizer(text).input_ids[:128]
    assert sizes.sum() == len(tokenizer.decode(ids[1:]).encode())
    (figures,) = prose(loaded, corpus, passages=3).values()
    assert figures["bits_per_byte"] == pytest.approx(math.log2(500) / 2, rel=0.5)
    assert 1 < figures["gzip_bits_per_byte"] < 6
    assert figures["nll"] == pytest.approx(dict.fromkeys(("1-15", "16-63", "64-127"), math.log(500)), rel=1e-5)


def test_bands_are_positions_of_the_predicted_token():
    row = np.arange(1.0, 64.0)  # the token at position p costs p
    assert by_position([row]) == {"1-15": 8.0, "16-63": 39.5}


def test_the_card_is_written(trained, folder, monkeypatch, capsys):
    out = trained / "whole"
    monkeypatch.setattr(
        "sys.argv", ["evaluate", str(out), "--corpus", str(folder), "--trials", "1", "--passages", "2", "--card"]
    )
    main()
    text = (out / "README.md").read_text()
    figures = json.loads((out / card.EVALUATION).read_text())
    assert card.tables(figures) in text
    assert card.tables(figures) in capsys.readouterr().out
    assert "0.1 million tokens, 200 steps" in text
    assert "sequences of 128 tokens" in text.replace("\n", " ")
    assert "| 64 | 0.0 M | 50% to 0% | 25% to 50% |" in text
