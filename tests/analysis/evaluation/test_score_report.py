"""Scores drawn: ticks that people read, and runs of one method told apart."""

import pytest

from analysis.evaluation.score_report import lines_figure
from analysis.evaluation.score_table import score_table
from tests.analysis.evaluation.made_rows import made_row, made_table


@pytest.mark.parametrize(
    ("low", "high", "labels"), [(18.8, 3055, ("10", "30", "100", "300", "1,000", "3,000")), (20, 21, ())]
)
def test_ticks_of_a_logarithmic_axis_are_whole_numbers(low, high, labels):
    axis = lines_figure(made_table([[low, high]], (512, 1024)), "perplexity", logarithmic=True).layout.yaxis
    assert axis.type == "log"
    assert tuple(axis.ticktext or ())[:6] == labels


def test_runs_of_one_method_are_told_apart():
    groups = ["self-extend:group=2,window=8", "self-extend:group=4,window=8", "self-extend"]
    rows = [made_row(text, length=n, scores={"a": 1.0}) for text in groups for n in (8, 16)]
    figure = lines_figure(score_table(rows, "a", lambda row: row.scores["a"]), "a")
    assert len({trace.name for trace in figure.data}) == 3
    assert len({trace.line.color for trace in figure.data}) == 3
    assert len({trace.line.dash for trace in figure.data}) == 3
