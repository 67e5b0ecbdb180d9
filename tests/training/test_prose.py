"""Bits per byte of a model, beside those of a 5-gram model and of gzip on the same texts."""

from __future__ import annotations

import pytest

from longsight.methods import METHODS
from longsight.models.model import load
from tests.analysis.evaluation.made_rows import made_row
from training.baselines import Bytes, gzip_bits
from training.prose import Prose


def test_every_passage_is_read_by_all_three(trained, folder):
    model = load(trained / "whole")
    held, learned = folder / "validation", folder / "train" / "one.txt"
    task = Prose(text=str(held), learned=str(learned))
    cases = task.cases(model, 128, 2, 0)
    outcomes = [step.result for step in task.steps(model, METHODS["vanilla"](), cases) if step.result]
    assert len(outcomes) == 2
    text = (held / "three.txt").read_text(encoding="utf-8")
    for case, outcome in zip(cases, outcomes, strict=True):
        said = model.tokenizer.decode(case.ids)
        assert said in text
        assert outcome.scores["gzip"] == pytest.approx(gzip_bits(text))
        assert outcome.scores["five_gram"] == pytest.approx(Bytes(learned.read_text(encoding="utf-8")).bits(said))
        per_token = outcome.scores["bits_per_byte"] * len(model.tokenizer.decode(case.ids[1:]).encode()) / 127
        assert per_token == pytest.approx(outcome.scores["nll"] / 0.6931472, rel=1e-3)


def test_all_texts_stand_in_one_table():
    scores = {"bits_per_byte": 1.5, "five_gram": 2.25, "gzip": 3.125}
    rows = [made_row(task="bits-per-byte", options={"text": f"a/{name}"}, scores=scores) for name in ("books", "peps")]
    (part,) = Prose.report(rows)
    assert [row[0] for row in part.tables[0].rows] == ["books", "peps"]
    assert part.tables[0].rows[0][-3:] == ("1.50", "2.25", "3.12")
