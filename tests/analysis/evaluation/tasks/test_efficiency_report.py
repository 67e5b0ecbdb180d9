"""Efficiency is compared with vanilla's in the longest text."""

from analysis.evaluation.tasks.efficiency_report import efficiency_comment
from tests.analysis.evaluation.made_rows import made_table


def test_efficiency_is_compared_in_the_longest_text():
    cost = made_table([[1, 1, 2, 8], [1, 1, 2, 4], [1, 1, 2, 8]])
    slower, smaller = (
        made_table([[1, 1, 1, 3], [1, 1, 1, 6], [1, 1, 1, 1]]),
        made_table([[1, 1, 2, 8], [1, 1, 1, 1], [1] * 4]),
    )
    said = efficiency_comment(cost, slower, smaller)
    assert "Against vanilla at 4,096 tokens, 8 times the trained length" in said
    assert "LM-Infinite: reading 2 times as fast, writing 0.5 times as fast, 8 times less cache" in said
    assert "nothing to compare" in efficiency_comment(*[made_table([[1] * 4])] * 3)
