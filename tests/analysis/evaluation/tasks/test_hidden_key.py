"""Statements stand between the sentences of a text that is exactly as long as it was asked to be."""

import pytest

from analysis.evaluation.tasks.hidden_key import insert, place
from analysis.evaluation.tasks.texts import NoExactFitError

STORY = "".join(f"This is sentence {n} of a story. " for n in range(300))


@pytest.mark.parametrize(
    ("cuts", "expected"),
    [
        ((0, 0), "A. B. One. Two."),
        ((5, 0), "B. One. A. Two."),
        ((9, 5), "One. B. Two. A."),
    ],
)
def test_statements_stand_before_the_sentence_at_their_cut(cuts, expected):
    assert insert("One. Two.", cuts, ("A.", "B.")) == expected


@pytest.mark.parametrize("depths", [(0.0,), (0.5, 0.1), (1.0, 1.0, 0.0)])
def test_the_text_is_exactly_as_long_and_statements_stand_where_they_should(depths):
    hidden = tuple(f"Statement {name}." for name in "ABC"[: len(depths)])
    text = place(str.encode, lambda: STORY, depths, hidden, 2000).holding(hidden)
    assert len(text) == 2000
    for depth, statement in zip(depths, hidden, strict=True):
        assert text.count(statement) == 1
        assert text.index(statement) / 2000 == pytest.approx(depth, abs=0.06)
        before = text[: text.index(statement)].rstrip()
        assert before == "" or before.endswith(".")


def test_another_text_is_drawn_where_none_is_exact():
    drawn = []

    def make(text):
        """Two tokens for each letter, but one in the story: no other text makes an odd number."""
        return text.encode() if "sentence" in text else 2 * text.encode()

    def draw():
        drawn.append(STORY if len(drawn) == 2 else "x" * 5000)
        return drawn[-1]

    assert len(place(make, draw, (0.5,), ("Statement.",), 1001).holding(("Statement.",))) == 1001
    assert len(drawn) == 3
    with pytest.raises(NoExactFitError, match="No part of the text makes a prompt of exactly 1,001 tokens"):
        place(make, draw, (0.5,), ("Statement.",), 1001)
