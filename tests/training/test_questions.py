"""Questions as in training can be answered, fill their length, and are scored by what they ask for."""

from __future__ import annotations

import numpy as np
import pytest

from longsight.methods import METHODS
from longsight.models.model import load
from tests.analysis.evaluation.made_rows import made_row
from training.questions import KINDS, Questions, is_right
from training.wording import ABSENT


@pytest.fixture(scope="module")
def model(trained):
    """What two seconds of training made; it answers nothing, but runs."""
    return load(trained / "whole")


@pytest.mark.parametrize("kind", KINDS)
def test_every_question_can_be_answered(kind, corpus):
    for seed in range(30):
        asked = KINDS[kind](np.random.default_rng(seed), corpus)
        *_, last = asked.messages(" ".join(asked.statements))
        assert last["content"].endswith(asked.question)
        stated = [statement for statement in asked.statements if asked.value and asked.value in statement]
        if asked.value is None:
            assert f"{asked.question.rpartition(' the ')[2].removesuffix('?')} is" not in " ".join(asked.statements)
        else:
            assert len(stated) == 1
            assert asked.value not in asked.question


def test_a_second_question_follows_a_right_answer(corpus):
    asked = KINDS["second-question"](np.random.default_rng(1), corpus)
    first, answer, second = asked.messages("A text.")
    assert [each["role"] for each in (first, answer, second)] == ["user", "assistant", "user"]
    assert first["content"].startswith("A text.\n\nWhat is the key of the ")
    assert answer["content"] in asked.statements
    assert asked.value not in answer["content"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_prompt_with_room_for_its_answer_has_exactly_the_length(model, folder, kind):
    task = Questions(kind=kind, text=str(folder / "validation"))
    cases = task.cases(model, 300, 3, 5)
    assert {len(case.ids) for case in cases} == {300 - task.room}
    assert cases[:2] == task.cases(model, 300, 2, 5)
    assert len({case.ids for case in cases}) == 3
    for case in cases:
        text = model.tokenizer.decode(case.ids)
        assert case.facts.question in text
        assert all(answer in text for answer in case.answers)


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
    assert is_right(value, answer) is expected


def test_answers_are_scored_by_the_value_of_their_case(model, folder):
    for kind in ("second-question", "no-key"):
        task = Questions(kind=kind, text=str(folder / "validation"))
        (case,) = task.cases(model, 300, 1, 0)
        told = f"It is {case.answers[0]}." if case.answers else ABSENT
        assert task.score(case, told) == {"right": 1.0}
        assert task.score(case, "It is 12.") == {"right": 0.0}


def test_they_are_put_to_the_model(model, folder, monkeypatch):
    monkeypatch.setattr(Questions, "room", 3)
    task, outcomes = Questions(text=str(folder / "validation")), []
    cases = task.cases(model, 200, 2, 0)
    for step in task.steps(model, METHODS["vanilla"](), cases):
        outcomes += [step.result] if step.result else []
    assert sorted(outcome.case for outcome in outcomes) == [0, 1]
    assert all(set(outcome.scores) == {"right"} for outcome in outcomes)


def test_all_kinds_stand_in_one_table():
    case = {"tokens": 9, "answers": (), "said": "", "facts": {"question": "?"}}
    rows = [
        made_row(task=f"questions:kind={kind}", cases=[case | {"scores": {"right": right}} for right in rights],
                 scores={"right": sum(rights) / 4}, options={"kind": kind})
        for kind, rights in (("no-key", (1, 1, 1, 0)), ("no-such-name", (0, 0, 0, 1)))
    ]  # fmt: skip
    (part,) = Questions.report(rows)
    (table,) = part.tables
    assert [row[0] for row in table.rows] == ["no-key", "no-such-name"]
    assert [row[-3:] for row in table.rows] == [("3", "4", "75%"), ("1", "4", "25%")]
