"""Scores by method and length, with gaps where nothing was run."""

import numpy as np
import pytest

from analysis.evaluation.row import Row
from analysis.evaluation.score_table import score_table
from longsight.errors import LongSightError
from tests.analysis.evaluation.made_rows import made_row, made_table


def test_tables_have_gaps_where_nothing_was_run():
    with pytest.raises(LongSightError, match="must agree"):
        made_table([[1, 2, 3, 4]], (1, 2))
    rows = [
        made_row(text, length=length, refused=refused, scores={"a": 2.0})
        for text, length, refused in (("window:window=9", 8, None), ("window:window=10", 16, None), ("vanilla", 8, "x"))
    ]
    found = score_table(rows, "a", lambda row: row.scores["a"])
    assert found.label.tolist() == ["Vanilla", "Window (window=9)", "Window (window=10)"]
    np.testing.assert_array_equal(found.value, [[np.nan, np.nan], [2, np.nan], [np.nan, 2]])


def test_methods_with_texts_are_ordered_and_labelled_with_all_that_their_quotes_hold():
    texts = (
        'composed:rule="d < 9: d; else: min(i, 9) - min(j, 9)",length=9',
        'composed:rule="d < 10: d"', "window:window=9",
    )  # fmt: skip
    found = score_table([made_row(text, scores={"a": 1.0}) for text in texts], "a", lambda row: row.scores["a"])
    assert found.label.tolist() == [
        "Window (window=9)",
        'Composed (rule="d < 10: d")',
        'Composed (rule="d < 9: d; else: min(i, 9) - min(j, 9)", length=9)',
    ]


def test_a_row_holds_parameters_that_are_texts():
    rule = "d < 9: d; else: " + "9 + " * 100 + "9"
    method = made_row().method.model_dump() | {
        "key": "composed", "text": f'composed:rule="{rule}"', "caption": f"Composed (rule={rule})",
        "parameters": {"rule": rule, "length": 9},
    }  # fmt: skip
    row = Row.model_validate(made_row(f'composed:rule="{rule}"').model_dump() | {"method": method})
    assert Row.model_validate_json(row.line()) == row
