"""Results as tables and figures: numbers that were measured, in the shape of the papers, and sentences that follow."""

import math
import re

import numpy as np
import pytest

from analysis import evaluate, report
from analysis.evaluation.results import FILE, read_results
from analysis.evaluation.score_table import label_of
from analysis.evaluation.tasks.passkey_report import grid_records
from tests.app.conftest import save_model

MANY = "vanilla,window,lm-infinite;self-extend:group=4,window=16;truncation:length=64;ntk:scale=0.5"
FEW = "vanilla,lm-infinite;truncation:length=64"
CHEAP = ["passkey:depths=2", "perplexity:last=16,band=16", "qa", "short-context"]
DEAR = ["generation", "efficiency"]
"""Tasks in which much is written, or the memory is cleared before each case."""


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    folder = tmp_path_factory.mktemp("report")
    save_model(folder / "tiny")
    where = ["--model", str(folder / "tiny"), "--out", str(folder / "out"), "--threads", "1", "--trials", "1"]
    assert evaluate.main([*where, "--task", *CHEAP, "--methods", MANY, "--lengths", "400,500"]) == 0
    assert evaluate.main([*where, "--task", *DEAR, "--methods", FEW, "--lengths", "400"]) == 0
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
    assert capsys.readouterr().err == "There are no finished cells in these results; run `longsight evaluate` first.\n"
    assert report.main([str(tmp_path / "none")]) == 1
    assert "but holds no results.jsonl" in capsys.readouterr().err


def test_where_nothing_can_be_written_that_is_said(results, tmp_path, capsys):
    (tmp_path / "taken").write_text("")
    assert report.main([str(results), "--html", str(tmp_path / "taken" / "r.html")]) == 1
    assert "taken" in capsys.readouterr().err


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


def test_the_grid_is_written_with_every_depth(pages):
    _, markdown = pages
    table = markdown[markdown.index("**Keys found by depth") :].split("\n\n")[1].splitlines()
    assert table[0] == "| method | 400 | 500 |"
    assert [row.split(" | ")[0] for row in table[2:4]] == ["| Vanilla, at 0%", "| Vanilla, at 100%"]
    assert all(re.search(r"( \| (0/1|1/1|-)){2} \|$", row) for row in table[2:])
