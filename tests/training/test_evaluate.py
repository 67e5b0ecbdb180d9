"""The evaluation asks what it says, and counts what it finds."""

from __future__ import annotations

import json
import math
import re
from itertools import chain
from typing import ClassVar

import numpy as np
import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from longsight.errors import LongSightError
from longsight.generation.prompt import chat_ids
from longsight.methods import METHODS
from longsight.models.model import adopt, load
from training import card, choose, inside, past
from training import samples as sampling
from training.evaluate import main
from training.inside import KINDS, bits_and_bytes, right
from training.questions import ANSWER_ROOM, TrainingQuestion, fit, pass_key
from training.samples import samples
from training.wording import ABSENT, PASS_KEY

VANILLA = METHODS["vanilla"]()


@pytest.fixture(scope="module")
def model(trained):
    """What two seconds of training made; it answers nothing, but runs."""
    return load(trained / "whole")


@pytest.fixture
def curt(monkeypatch):
    """An untrained model goes on to the last token that an answer may take: here, the third."""
    monkeypatch.setattr(inside, "ANSWER_ROOM", 3)
    monkeypatch.setattr(past, "KEY_ROOM", 3)
    monkeypatch.setattr(choose, "KEY_ROOM", 3)
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


def test_every_pass_key_is_asked_for_once(model, corpus, monkeypatch):
    asked = []
    monkeypatch.setattr(inside, "right", lambda model, some, method: asked.extend(some) or [True] * len(some))
    inside.retrieval(model, corpus, 25)
    assert len({question.value for question in asked[:25]}) == 25


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
    assert TrainingQuestion((), value).is_answered_by(answer) is expected


def test_the_right_answers_are_told_from_the_others(model, corpus, monkeypatch):
    """Answers that hold the key in every second case."""
    asked = list(chain(*past.pass_keys(model, corpus, 200, 10)))
    said = iter(range(len(asked)))
    monkeypatch.setattr(
        inside, "_said", lambda model, prefilled, question, tokens: question.value if next(said) % 2 else ABSENT
    )
    assert sum(right(model, asked, VANILLA)) == 5


class Heard(TrainingQuestion):
    """A question that listens to the whole answer."""

    answers: ClassVar[dict] = {}

    def is_answered_by(self, answer):
        self.answers[self.messages[0]["content"]] = answer
        return False

    def is_lost_by(self, answer):
        return False


@pytest.mark.parametrize("key", METHODS)
def test_prompts_that_are_read_together_are_answered_as_each_alone(model, corpus, key):
    advised = adopt_with(model, {"lm-infinite": {"top_k": 3, "from_layer": 1}})
    for method in past.variants(advised, (key,), 600).values():
        asked = [Heard(q.messages, q.value) for q in chain(*past.pass_keys(model, corpus, 600, 10))]
        Heard.answers.clear()
        assert right(model, asked, method, tokens=3) == [False] * 10
        alone = {q.messages[0]["content"]: inside.answer(model, q.messages, method, tokens=3) for q in asked}
        assert Heard.answers == alone


@pytest.mark.parametrize("value", ["86409", "Mire Tan", None])
def test_an_answer_is_lost_when_nothing_can_make_it_right(value):
    """Every beginning of a lost answer's continuations is wrong, and no right answer is lost on its way."""
    ends = ["", "86409", " 86409.", "Mire Tan", " I don't know", "9", "."]
    beginnings = ["", "The", "The 8640", "The 86409", "The 86409.", "The 1 ", "The 86409 or 86409 ", "I don't know. 5"]
    question = TrainingQuestion((), value)
    for beginning in beginnings:
        for end in ends:
            if question.is_answered_by(beginning + end):
                assert not any(question.is_lost_by((beginning + end)[:n]) for n in range(len(beginning + end) + 1))
    assert question.is_lost_by("The 1 ")


def without_key(question):
    return question.messages[0]["content"].replace(PASS_KEY[0].format(value=question.value), "")


def test_keys_at_all_depths_are_hidden_in_the_same_texts(model, corpus):
    asked = past.pass_keys(model, corpus, 300, 60)
    assert asked == past.pass_keys(model, corpus, 300, 60)
    assert [len(each) for each in asked] == [12] * 5
    sizes = {len(chat_ids(model.tokenizer, list(q.messages))) for q in chain(*asked)}
    assert 300 - ANSWER_ROOM - 8 < min(sizes) <= max(sizes) <= 300 - ANSWER_ROOM
    assert len({q.value for q in chain(*asked)}) == 60
    begins = [{" ".join(without_key(q).split())[:300] for q in each} for each in asked]
    assert 1 < len(begins[0]) <= past.TEXTS
    assert all(each == begins[0] for each in begins)
    other = past.pass_keys(model, corpus, 300, 60, first=9)
    assert not {q.value for q in chain(*asked)} & {q.value for q in chain(*other)}


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
    rows = list(past.measure(model, corpus, tuple(METHODS), (256,), cases=5, passages=1))
    assert [(row["tokens"], row["variant"]) for row in rows] == [(256, key) for key in METHODS]
    assert all(row["each"] == 1 and len(row["found"]) == 5 and row["nll"] > 0 for row in rows)


@pytest.mark.usefixtures("curt")
def test_rows_that_are_known_are_left_out_unless_they_would_be_others(model, corpus):
    def variants(cases, known, methods=("vanilla", "window"), lengths=(256, 300)):
        rows = past.measure(model, corpus, methods, lengths, cases, passages=1, known=known)
        return [(row["tokens"], row["variant"]) for row in rows]

    known = list(past.measure(model, corpus, ("vanilla",), (256,), cases=5, passages=1))
    assert variants(5, known) == [(256, "window"), (300, "vanilla"), (300, "window")]
    assert variants(10, known, lengths=(256,)) == [(256, "vanilla"), (256, "window")]
    assert variants(5, [row | {"each": 40} for row in known], ("vanilla",), (256,)) == []
    other = [row | {"method": "Vanilla (log_n=128)"} for row in known]
    assert variants(5, other, ("vanilla",), (256,)) == [(256, "vanilla")]


def test_a_new_row_takes_the_place_of_the_old_one():
    rows = []
    for tokens, variant, each in ((256, "window", 1), (128, "window", 1), (256, "vanilla", 1), (256, "window", 2)):
        rows = past.merge(rows, {"tokens": tokens, "variant": variant, "each": each})
    assert [tuple(row.values()) for row in rows] == [(128, "window", 1), (256, "vanilla", 1), (256, "window", 2)]


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


@pytest.mark.parametrize("key", METHODS)
def test_the_last_nll_is_that_of_the_last_tokens_of_each_length(model, corpus, key):
    """Read once, whatever the length; of a text that ends there, token by token."""
    advised = adopt_with(model, {"lm-infinite": {"top_k": 3, "from_layer": 0}})
    texts = [model.tokenizer(corpus.documents[n].text).input_ids[:300] for n in (0, 1)]
    asked = [(length, advised.method(key, length)) for length in (200, 300)]
    surprise = past.Surprise(model, texts, asked)
    for length, method in asked:
        alone = [model.nll(text[:length], method)[1 - model.train_length :] for text in texts]
        assert surprise.last(method, length) == pytest.approx(np.mean(alone), abs=1e-4)
    assert math.isnan(past.Surprise(model, [], asked).last(*reversed(asked[0])))


def test_texts_too_short_are_refused(model, corpus):
    with pytest.raises(LongSightError, match="of 50,000 tokens was asked for, but the longest held-out one has"):
        list(past.measure(model, corpus, ("vanilla",), (50_000,), cases=5, passages=1))


@pytest.mark.parametrize(("found", "clearly"), [(38, False), (40, False), (41, True)])
def test_one_key_more_is_not_clearly_better(found, clearly):
    usual, other = choose.ChosenParameters({}, (19, 19)), choose.ChosenParameters({"group": 8}, (20, found - 20))
    assert choose.clearly_best([usual, other], keys=40) is (other if clearly else usual)


def test_the_best_is_chosen_and_read_back(model, corpus, tmp_path, monkeypatch):
    """An answerer that only retrieval from layer 1 at half the length helps, and only SelfExtend with groups of 16."""

    def answers(model, asked, method, tokens):
        good = (method.key == "lm-infinite" and (method.from_layer, method.insert_at, method.top_k) == (1, 64, 5)) or (
            method.key == "self-extend" and method.group == 16
        )
        return [good] * len(asked)

    monkeypatch.setattr(choose, "right", answers)
    chosen = choose.choose(model, corpus, (256,), cases=5)
    assert chosen["recommended"]["lm-infinite"] == {"top_k": 5, "from_layer": 1, "insert_at": 64}
    assert chosen["recommended"]["self-extend"]["group"] == 16
    assert [max(choice["found"]) for choice in chosen["chosen"]["lm-infinite"]].count(5) == 1
    monkeypatch.setattr(choose, "right", lambda model, asked, method, tokens: [False])
    assert (
        "self-extend" not in choose.choose(model, corpus, (256,), cases=5)["recommended"]
    )  # the rule of thumb is as good


@pytest.mark.usefixtures("curt")
def test_there_are_twenty_samples(model, corpus):
    found = samples(adopt_with(model, {"lm-infinite": {"top_k": 3, "from_layer": 1}}), corpus)
    assert len(found) == 20
    assert {sample.method for sample in found} >= {"vanilla", "lm-infinite", "lm-infinite + top-k", "self-extend"}
    assert [bool(sample.wanted) for sample in found].count(True) == 9


def again(out, arguments, monkeypatch, figures):
    """The same command measures nothing but the samples; other weights are measured anew."""
    with monkeypatch.context() as patch:
        for module, name in ((inside, "right"), (past, "right"), (choose, "right"), (inside, "prose")):
            patch.setattr(module, name, lambda *_: pytest.fail("it was measured before"))
        patch.setattr("sys.argv", [*arguments, "--card"])
        main()
    assert json.loads((out / card.EVALUATION).read_text()) == figures
    (out / card.EVALUATION).write_text(json.dumps(figures | {"weights": "others"}))
    assert set(card.read(out)) == {"weights"}
    (out / card.EVALUATION).write_text(json.dumps(figures))
    assert card.read(out) == figures


@pytest.mark.usefixtures("curt")
def test_a_run_that_is_stopped_keeps_its_cells_and_goes_on(trained, folder, monkeypatch):
    out = trained / "whole"
    arguments = ["evaluate", str(out), "--corpus", str(folder), "--only", "past", "--passages", "1", "--card"]
    cells = [*arguments, "--cases", "5", "--lengths", "200,256", "--methods", "window,vanilla"]
    measured, ask = [], past.right

    def stops(model, asked, method, tokens):
        if len(measured) == 3:
            raise KeyboardInterrupt
        measured.append(method.key)
        return ask(model, asked, method, tokens)

    def rows():
        figures = json.loads((out / card.EVALUATION).read_text())
        return [(row["tokens"], row["variant"], row["each"]) for row in figures["past"]]

    monkeypatch.setattr(past, "right", stops)
    monkeypatch.setattr("sys.argv", cells)
    with pytest.raises(KeyboardInterrupt):
        main()
    assert rows() == [(200, "vanilla", 1), (200, "window", 1), (256, "window", 1)]
    measured.clear()
    main()
    assert measured == ["vanilla"]
    measured.clear()
    monkeypatch.setattr("sys.argv", [*arguments, "--cases", "10", "--lengths", "256", "--methods", "ceiling,window"])
    main()
    assert measured == ["ceiling", "window"]
    assert rows() == [
        (200, "vanilla", 1), (200, "window", 1), (256, "vanilla", 1), (256, "window", 2), (256, "ceiling", 2),
    ]  # fmt: skip
    table = (out / "README.md").read_text()
    assert re.search(r"\| 256 \| vanilla .* \| 5 \|( \d+ \|){5}\n", table)
    assert re.search(r"\| 256 \| window .* \| 10 \|( \d+ \|){5}\n", table)
    (out / card.EVALUATION).unlink()


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
    again(out, arguments, monkeypatch, figures)
    monkeypatch.setattr("sys.argv", [*arguments, "--card", "--only", "prose"])
    with pytest.raises(SystemExit):
        main()
    assert "--only knows inside, choose, past, samples, found prose" in capsys.readouterr().err
    (out / card.LIMITS).unlink()
    (out / choose.FILE).unlink()
