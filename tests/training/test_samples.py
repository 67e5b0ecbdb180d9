"""Samples are always the same conversations, inside the trained length and past it."""

from __future__ import annotations

from analysis.evaluation.report_parts import parts_markdown
from longsight.models.model import load
from tests.analysis.evaluation.made_rows import made_row
from training.samples import GREETINGS, Samples


def test_inside_and_past_the_trained_length(trained, folder):
    model = load(trained / "whole")
    task = Samples(text=str(folder / "validation"))
    inside, past = (task.cases(model, length, 1, 0) for length in (300, 512))
    assert len(past) == 2  # both are past the 128 tokens that it was trained on
    assert [case.facts.about for case in past] == ["a pass key half-way into 512 tokens", "a passage of 768 characters"]
    assert len(past[0].ids) == 512 - 24
    assert inside != past
    short = load(trained / "whole")
    object.__setattr__(short, "train_length", 300)
    told = task.cases(short, 300, 1, 0)
    assert [case.facts.question for case in told[:5]] == list(GREETINGS)
    assert len(told) == 12
    assert sum(bool(case.answers) for case in told) == 4


def test_they_are_told_as_they_came():
    facts = {"about": "nothing", "question": "Hello"}
    case = {"tokens": 9, "answers": ("1",), "said": "One | two\nthree", "scores": {}, "facts": facts}
    parts = Samples.report([made_row(task="samples", cases=[case])])
    assert "| nothing | vanilla | Hello | 1 | One \\| two three |" in parts_markdown(parts, "###")
    assert Samples.report([]) == []
