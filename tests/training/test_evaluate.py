"""The evaluation asks what it says, and counts what it finds."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from engine.errors import LongSightError
from engine.methods import METHODS
from engine.models import adopt, load
from engine.prompt import chat_ids
from training import card, choose, inside, past
from training import samples as sampling
from training.evaluate import main
from training.inside import KINDS, bits_and_bytes, right
from training.questions import ANSWER_ROOM, Question, fit, pass_key
from training.samples import samples
from training.wording import ABSENT

VANILLA = METHODS["vanilla"]()


@pytest.fixture(scope="module")
def model(trained):
    """What two seconds of training made; it answers nothing, but runs."""
    return load(trained / "whole")


@pytest.fixture
def curt(monkeypatch):
    """An untrained model goes on to the last token that an answer may take: here, the third."""
    monkeypatch.setattr(inside, "ANSWER_ROOM", 3)
    monkeypatch.setattr(sampling, "STORY_ROOM", 3)


@pytest.mark.parametrize("tokens", [150, 400])
@pytest.mark.parametrize("depth", [0.0, 0.5, 1.0])
def test_questions_fill_the_length(tokens, depth, corpus, tokenizer):
    for source in (corpus, None):
        question = fit(tokenizer, lambda rng, size, s=source: pass_key(rng, s, size, depth), tokens, seed=1)
        assert tokens - ANSWER_ROOM - 30 < len(chat_ids(tokenizer, question.messages)) <= tokens - ANSWER_ROOM
        text = question.messages[0]["content"]
        assert text.count(question.value) == 2
        assert abs(text.index(question.value) / len(text) - depth) < 0.4


@pytest.mark.parametrize("kind", KINDS)
def test_every_question_can_be_answered(kind, corpus):
    for seed in range(30):
        question = KINDS[kind](np.random.default_rng(seed), corpus, 800)
        text, asked = question.messages[0]["content"], question.messages[-1]["content"].rpartition("\n")[2]
        if question.value is None:
            name = asked.rpartition(" the ")[2].removesuffix("?")
            assert f"{name} is" not in text
        else:
            assert question.value in text
            assert question.value not in asked


@pytest.mark.parametrize(
    ("value", "answer", "expected"),
    [
        ("86409", "The pass key is 86409.", True),
        ("86409", "The pass key is 8640.", False),
        ("86409", "The pass key is 86409 or 11111.", False),
        ("86409", ABSENT, False),
        ("Mire Tan", "The bell was made by Mire Tan.", True),
        ("Mire Tan", "The bell was made by Mire Ton.", False),
        (None, ABSENT, True),
        (None, "The pass key is 86409.", False),
        (None, "The the the", False),
        (None, "I don't know. 5", False),
    ],
)
def test_what_counts_as_right(value, answer, expected):
    assert Question((), value).is_answered_by(answer) is expected


def test_right_answers_are_counted(monkeypatch):
    """With an answerer that finds the key in every second text, half of the answers are right."""
    said = iter(["The pass key is 1.", ABSENT] * 4)
    monkeypatch.setattr(inside, "answer", lambda model, messages, method: next(said))
    assert right(None, [Question((), "1")] * 8, VANILLA) == 4


def test_bits_per_byte_of_a_uniform_model(tokenizer):
    config = LlamaConfig(
        vocab_size=500, hidden_size=16, intermediate_size=16, num_hidden_layers=1, num_attention_heads=2,
        max_position_embeddings=64,
    )  # fmt: skip
    hf = LlamaForCausalLM(config)
    torch.nn.init.zeros_(hf.lm_head.weight)
    text = "Dada lili. Größe 12 — " + "lala bibi " * 50
    bits, size = bits_and_bytes(adopt(hf, tokenizer), text)
    assert bits == pytest.approx(63 * math.log2(500))
    assert size == len(tokenizer.decode(tokenizer(text).input_ids[1:64]).encode())


@pytest.mark.usefixtures("curt")
def test_past_the_length_every_method_is_measured(model, corpus):
    rows = past.measure(model, corpus, tuple(METHODS), (256,), cases=5, passages=1)
    assert [(row["tokens"], row["variant"]) for row in rows] == [(256, key) for key in METHODS]
    assert all(row["each"] == 1 and len(row["found"]) == 5 and row["nll"] > 0 for row in rows)


def test_retrieval_is_measured_apart(model):
    advised = adopt_with(model, {"lm-infinite": {"top_k": 3, "from_layer": 1}})
    methods = past.variants(advised, ("lm-infinite", "window"), 256)
    assert [(name, method.retrieval is not None) for name, method in methods.items()] == [
        ("lm-infinite", False), ("lm-infinite + top-k", True), ("window", False),
    ]  # fmt: skip
    with pytest.raises(LongSightError, match="There is no method 'magic'; there are vanilla"):
        past.variants(advised, ("magic",), 256)


def adopt_with(model, recommended):
    return type(model)(**{**vars(model), "recommended": recommended})


def test_the_last_nll_is_that_of_the_last_tokens(model, corpus):
    ids = model.tokenizer(corpus.documents[0].text).input_ids[:200]
    expected = model.nll(ids, VANILLA)[1 - model.train_length :].mean()
    assert past.last_nll(model, [ids, ids], VANILLA) == pytest.approx(expected)
    assert math.isnan(past.last_nll(model, [], VANILLA))


def test_texts_too_short_are_refused(model, corpus):
    with pytest.raises(LongSightError, match="of 50,000 tokens was asked for, but the longest held-out one has"):
        past.measure(model, corpus, ("vanilla",), (50_000,), cases=5, passages=1)


def test_the_best_is_chosen_and_read_back(model, corpus, tmp_path, monkeypatch):
    """An answerer that only retrieval from layer 1 at half the length helps, and only SelfExtend with groups of 16."""

    def answers(model, asked, method):
        good = (method.key == "lm-infinite" and (method.from_layer, method.insert_at, method.top_k) == (1, 64, 5)) or (
            method.key == "self-extend" and method.group == 16
        )
        return len(asked) if good else 0

    monkeypatch.setattr(choose, "right", answers)
    chosen = choose.choose(model, corpus, (256,), cases=5)
    assert chosen["recommended"]["lm-infinite"] == {"top_k": 5, "from_layer": 1, "insert_at": 64}
    assert chosen["recommended"]["self-extend"]["group"] == 16
    assert [max(choice["found"]) for choice in chosen["chosen"]["lm-infinite"]].count(5) == 1
    monkeypatch.setattr(choose, "right", lambda model, asked, method: 0)
    assert (
        "self-extend" not in choose.choose(model, corpus, (256,), cases=5)["recommended"]
    )  # the rule of thumb is as good


@pytest.mark.usefixtures("curt")
def test_there_are_twenty_samples(model, corpus):
    found = samples(adopt_with(model, {"lm-infinite": {"top_k": 3, "from_layer": 1}}), corpus)
    assert len(found) == 20
    assert {sample.method for sample in found} >= {"vanilla", "lm-infinite", "lm-infinite + top-k", "self-extend"}
    assert [bool(sample.wanted) for sample in found].count(True) == 9


@pytest.mark.usefixtures("curt")
def test_the_card_is_written(trained, folder, monkeypatch, capsys):
    out = trained / "whole"
    (out / card.LIMITS).write_text("It only babbles.")
    arguments = [
        "evaluate",
        str(out),
        "--corpus",
        str(folder),
        "--cases",
        "5",
        "--threads",
        "1",
        "--passages",
        "1",
        "--lengths",
        "256",
    ]
    arguments += ["--methods", "vanilla,lm-infinite,self-extend"]
    monkeypatch.setattr("sys.argv", [*arguments, "--card"])
    main()
    text = (out / "README.md").read_text()
    figures = json.loads((out / card.EVALUATION).read_text())
    assert card.tables(figures) in text
    assert card.tables(figures) in capsys.readouterr().out
    assert "0.1 million tokens, 200 steps" in text
    assert "sequences of 128 tokens" in text.replace("\n", " ")
    assert "| 64 | 0.0 M | 50% to 0% | 25% to 50% |" in text
    assert "It only babbles." in text
    assert text.count("| lm-infinite + top-k") >= 1
    assert load(out).recommended == figures["chosen"]["recommended"]
    monkeypatch.setattr("sys.argv", [*arguments, "--card", "--only", "prose"])
    with pytest.raises(SystemExit):
        main()
    assert "--only knows inside, choose, past, samples, found prose" in capsys.readouterr().err
    (out / card.LIMITS).unlink()
    (out / choose.FILE).unlink()
