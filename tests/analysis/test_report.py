"""Results as tables and figures: numbers that were measured, in the shape of the papers, and sentences that follow."""

import json
import math
import re

import numpy as np
import pytest

from analysis import evaluate, report
from analysis.evaluation.comments import (
    ablation_comment,
    efficiency_comment,
    found_comment,
    groups_comment,
    kept_comment,
    perplexity_comment,
    trade_off_comment,
)
from analysis.evaluation.figures import grid_figure, limit_place, lines_figure
from analysis.evaluation.limits import sight
from analysis.evaluation.results import FILE, read_results
from analysis.evaluation.tables import GridRecord, ScoreTable, Trial, grid_record, grid_records, label_of, score_table
from longsight.errors import LongSightError
from longsight.methods import METHODS
from tests.analysis.evaluation.made_rows import made_row
from tests.app.conftest import save_model
from tests.longsight import tiny

GIVEN = "vanilla,window,lambda,ceiling,lm-infinite,truncation;self-extend:group=4,window=16;truncation:length=64"


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    folder = tmp_path_factory.mktemp("report")
    save_model(folder / "tiny")
    tasks = ["passkey:depths=2", "perplexity:last=16,band=16", "qa", "generation", "efficiency", "short-context"]
    where = ["--model", str(folder / "tiny"), "--out", str(folder / "out"), "--threads", "1"]
    options = ["--methods", f"{GIVEN};ntk:scale=0.5", "--lengths", "400,500", "--trials", "1"]
    assert evaluate.main([*where, "--task", *tasks, *options]) == 0
    return folder / "out"


@pytest.fixture(scope="module")
def pages(results, tmp_path_factory):
    folder = tmp_path_factory.mktemp("pages")
    where = ["--html", str(folder / "r.html"), "--markdown", str(folder / "r.md")]
    assert report.main([str(results), *where]) == 0
    return (folder / "r.html").read_text(encoding="utf-8"), (folder / "r.md").read_text(encoding="utf-8")


PARTS = (
    "Perplexity at milestone lengths", "The halves of LM-Infinite", "SelfExtend by group size", "Passkeys",
    "Reading questions", "Generation", "Quality against cost", "Efficiency", "Inside the trained length",
)  # fmt: skip


@pytest.mark.parametrize("title", PARTS)
def test_every_part_is_in_the_page_and_in_the_markdown(pages, title):
    page, text = pages
    assert f"<h2>{title}" in page
    assert f"\n## {title}" in text


def test_the_page_stands_alone_and_every_table_has_what_is_reported(pages):
    page, text = pages
    assert re.findall(r"<(?:script|link|img)[^>]+(?:src|href)=", page) == []
    assert len(re.findall("Plotly.newPlot", page)) >= 9
    for part in text.split("\n## ")[1:]:
        assert "*Reported: " in part


def test_numbers_in_the_markdown_are_those_of_the_results(results, pages):
    _, text = pages
    (part,) = (p for p in text.split("\n## ") if p.startswith("Perplexity at milestone"))
    for row in read_results(results):
        if row.task.key == "perplexity" and row.method.text == "vanilla":
            assert f"{math.exp(row.scores['nll_last']):.3g}" in part
    assert "SelfExtend (group" not in part, "groups have a table of their own"


def test_what_was_refused_is_said(pages):
    _, text = pages
    assert "What could not be run: NTK-aware (scale=0.5): NTK-aware: scale must be between 1 and" in text


def test_nothing_to_report_is_said_in_a_sentence(tmp_path, capsys):
    (tmp_path / FILE).write_text("")
    assert report.main([str(tmp_path)]) == 1
    assert capsys.readouterr().err == "There are no finished cells in these results; run analysis.evaluate first.\n"
    assert report.main([str(tmp_path / "none")]) == 1
    assert "but holds no results.jsonl" in capsys.readouterr().err


def test_grids_count_what_was_found(results):
    rows = [row for row in read_results(results) if row.task.key == "passkey"]
    grids = {grid.label: grid for grid in grid_records(rows)}
    assert "NTK-aware (scale=0.5)" not in grids
    grid = grids["SelfExtend (group=4, window=16)"]
    assert grid.trials.tolist() == [[1, 1], [1, 1]]
    assert grid.reach.tolist() == [(32 - 16) * 4 + 16] * 2
    assert np.isinf(grid.sight).all()
    assert grids["Truncation (length=64)"].sight.tolist() == [64, 64]
    for row in rows:
        label = label_of(row.method.text)
        if label in grids:
            column = grids[label].length.tolist().index(row.length)
            assert grids[label].found[:, column].sum() == sum(case.scores["found"] for case in row.cases)


def test_a_grid_may_have_holes():
    trials = [Trial(100, 0.0, True, 64, None), Trial(100, 0.0, False, 64, None), Trial(200, 1.0, True, 64, None)]
    grid = grid_record("m", "passkey", "vanilla", 32, trials)
    assert grid.share.tolist()[0][0] == 0.5
    assert np.isnan(grid.share[0, 1])
    figure = grid_figure([grid])
    assert [title.text for title in figure.layout.annotations[:1]] == ["Vanilla<br><sup>reach 64</sup>"]
    assert figure.data[0].text[0] == ["1/2", ""]
    assert figure.data[0].customdata[1][1] == [200, 1.0]
    empty = grid_record("m", "passkey", "vanilla", 32, [])
    assert empty.found.shape == (0, 0)
    json.loads(grid_figure([grid, empty]).to_json())


@pytest.mark.parametrize(("limits", "place"), [
    ([math.inf] * 3, None), ([50] * 3, -0.5), ([100] * 3, 0.5), ([399] * 3, 1.5), ([400] * 3, None),
    ([math.inf, 100, 100], 0.5), ([900, 900, 150], 1.5),
])  # fmt: skip
def test_limits_stand_where_texts_become_too_long(limits, place):
    found = limit_place(np.array([100, 200, 400]), np.array(limits, dtype=float))
    assert found == place


@pytest.mark.parametrize("key", METHODS)
def test_sight_is_the_longest_text_seen_whole(key):
    for method in tiny.spread(key, 12):
        expected = None
        for n in range(1, 150):
            visible = method.visible(*(tiny.torch.tensor(x) for x in (n - 1, list(range(n)))))
            if method.retrieval is not None:
                visible |= method.retrieval.middle(tiny.torch.tensor(n - 1), tiny.torch.arange(n))
            if method.keeps(n) < n or not visible.all():
                break
            expected = n
        assert sight(method, 149) == (None if expected == 149 else expected)


# Sentences


def table(values, lengths=(256, 512, 1024, 4096), labels=("Vanilla", "LM-Infinite", "SelfExtend")):
    values = np.array(values, dtype=float)
    return ScoreTable(
        model="m", task="t", score="s", train_length=512,
        method=np.array(["vanilla", "lm-infinite", "self-extend"][: len(values)]),
        label=np.array(labels[: len(values)]), length=np.array(lengths), value=values,
        cases=np.ones(values.shape, dtype=int),
    )  # fmt: skip


def test_perplexity_is_told_by_what_it_becomes():
    said = perplexity_comment(table([[30, 30, 60, 900], [30, 30, 31, 33], [30, 30, 33, 50]]))
    assert said == (
        "In each method's longest text, against 512 tokens. Stays: LM-Infinite (1.1 times). "
        "Drifts up: SelfExtend (1.7 times). Breaks: Vanilla (30.0 times). Vanilla breaks, as in the papers."
    )
    assert "does not break here" in perplexity_comment(table([[30, 30, 31, 32]]))
    assert "nothing can be said" in perplexity_comment(table([[30, 30]], (256, 512)))


def test_finding_is_told_by_who_still_finds():
    said = found_comment(table([[1, 1, 0, 0], [1, 1, 0.6, 0.2], [1, 1, 1, 0.95]]))
    assert said.startswith(
        "Found in the longest text that each was given: SelfExtend. "
        "Found in part past the trained length: LM-Infinite (60% to 20%). Never found past it: Vanilla."
    )
    assert "No text is longer" in found_comment(table([[1, 1]], (256, 512)))


def test_the_grid_is_written_with_every_depth(pages):
    _, markdown = pages
    table = markdown[markdown.index("**Keys found by depth") :].split("\n\n")[1].splitlines()
    assert table[0] == "| method | 400 | 500 |"
    assert [row.split(" | ")[0] for row in table[2:4]] == ["| Vanilla, at 0%", "| Vanilla, at 100%"]
    assert all(re.search(r"( \| (0/1|1/1|-)){2} \|$", row) for row in table[2:])


def test_what_is_kept_and_what_is_lost_follows_from_the_numbers():
    said = kept_comment(table([[1, 1, 0.9, 0.7], [1, 1, 0.2, 0.8], [1, 0.5, 0.5, math.nan]]), "There it stays.")
    assert "From 512 tokens" in said
    assert "Kept: LM-Infinite (1 to 0.8), SelfExtend (0.5 to 0.5). Lost: Vanilla (1 to 0.7). There it stays." in said
    assert "nothing can be said" in kept_comment(table([[1, 1]], (256, 512)), "")


def test_a_group_is_compared_with_its_reach():
    reach = {"Vanilla": 512, "LM-Infinite": 1024, "SelfExtend": 9000}
    said = groups_comment(table([[30, 30, 60, 90], [30, 30, 31, 90], [30, 30, 31, 33]]), reach)
    assert "Of 3 longer texts inside the reach, perplexity stays in 3, as in the paper; of 3 beyond it" in said
    assert said.endswith("it grows by more than 25% in 3: the reach is where it ends.")
    other = groups_comment(table([[30, 30, 31, 31], [30, 30, 90, 31], [30, 30, 90, 90]]), reach)
    assert "stays in 0, unlike in the paper" in other
    assert other.endswith("in 0: the reach is no limit for this model.")


def test_efficiency_is_compared_in_the_longest_text():
    cost = table([[1, 1, 2, 8], [1, 1, 2, 4], [1, 1, 2, 8]])
    slower, smaller = table([[1, 1, 1, 3], [1, 1, 1, 6], [1, 1, 1, 1]]), table([[1, 1, 2, 8], [1, 1, 1, 1], [1] * 4])
    said = efficiency_comment(cost, slower, smaller)
    assert "Against vanilla at 4,096 tokens, 8 times the trained length" in said
    assert "LM-Infinite: reading 2 times as fast, writing 0.5 times as fast, 8 times less cache" in said
    assert "nothing to compare" in efficiency_comment(*[table([[1] * 4])] * 3)


def test_the_ablation_says_where_it_differs_from_the_paper():
    bands = {
        "Vanilla": [3, 3, 6, 8],
        "Window": [3, 3, 3, 3.1],
        "Ceiling only": [3, 3, 3.3, 3.6],
        "LM-Infinite": [3] * 4,
    }
    said = ablation_comment([(label, np.array(values, float)) for label, values in bands.items()], 256, 512)
    assert "Vanilla breaks (+4.00 nats)" in said
    assert "Ceiling only drifts up (+0.45 nats)" in said
    assert said.endswith("LM-Infinite stays flat, as in the paper. Unlike there, also flat at this length: Window.")


def test_the_trade_off_compares_at_equal_cost():
    cut = [("truncation", "A", 1.0, 0.2), ("truncation", "B", 2.0, 0.3), ("truncation", "C", 9.0, 0.9)]
    assert "is better than the best truncation that costs no more, B" in trade_off_comment(
        [*cut, ("lm-infinite", "LM-Infinite", 2.5, 0.4)]
    )
    assert "is no better than" in trade_off_comment([*cut, ("lm-infinite", "LM-Infinite", 2.5, 0.3)])
    assert "no truncation as cheap" in trade_off_comment([*cut, ("lm-infinite", "LM-Infinite", 0.5, 0.3)])


def test_tables_have_gaps_where_nothing_was_run():
    assert GridRecord.arrays()
    with pytest.raises(LongSightError, match="must agree"):
        table([[1, 2, 3, 4]], (1, 2))
    rows = [
        made_row(text, length=length, refused=refused, scores={"a": 2.0})
        for text, length, refused in (("window:window=9", 8, None), ("window:window=10", 16, None), ("vanilla", 8, "x"))
    ]
    found = score_table(rows, "a", lambda row: row.scores["a"])
    assert found.label.tolist() == ["Vanilla", "Window (window=9)", "Window (window=10)"]
    np.testing.assert_array_equal(found.value, [[np.nan, np.nan], [2, np.nan], [np.nan, 2]])


@pytest.mark.parametrize(
    ("low", "high", "labels"), [(18.8, 3055, ("10", "30", "100", "300", "1,000", "3,000")), (20, 21, ())]
)
def test_ticks_of_a_logarithmic_axis_are_whole_numbers(low, high, labels):
    axis = lines_figure(table([[low, high]], (512, 1024)), "perplexity", logarithmic=True).layout.yaxis
    assert axis.type == "log"
    assert tuple(axis.ticktext or ())[:6] == labels
