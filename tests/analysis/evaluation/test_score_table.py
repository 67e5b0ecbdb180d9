"""Scores by method and length, with gaps where nothing was run."""

import numpy as np
import pytest

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
