"""docs/results.md, and that of SmolLM2, are what the runner found for the models that ship, and nothing else."""

from pathlib import Path

import pytest

from analysis.evaluation.cell import digest
from analysis.evaluation.report_parts import to_markdown
from analysis.evaluation.results import FILE, read_results
from analysis.report import TITLE, lead, make_parts
from longsight.methods import METHODS

ROOT = Path(__file__).resolve().parents[2]
SHIPPED = ROOT / "assets" / "results" / "embedded"
MODELS = sorted(path for path in (ROOT / "assets" / "models").iterdir() if path.is_dir())


@pytest.fixture(scope="module")
def rows():
    return read_results(SHIPPED)


@pytest.mark.parametrize(("page", "folder"), [("results.md", "embedded"), ("results-smollm2.md", "smollm2")])
def test_the_page_is_what_the_report_makes_of_the_results(page, folder):
    rows = read_results(SHIPPED.parent / folder)
    written = (ROOT / "docs" / page).read_text(encoding="utf-8")
    assert written == to_markdown(TITLE, lead(rows), make_parts(rows)), "run `make results`, or `make results-smollm2`"


def test_results_are_of_the_weights_that_ship(rows):
    measured = {row.model.name: row.model.digest for row in rows}
    assert measured == {path.name: digest(str(path)) for path in MODELS}, "run `make results`"


@pytest.mark.parametrize("task", ["perplexity", "passkey", "qa", "generation", "efficiency", "short-context"])
def test_every_method_was_run_on_every_model_or_refused_in_a_sentence(rows, task):
    cells = {(row.model.name, row.method.text) for row in rows if row.task.key == task}
    assert {(path.name, key) for path in MODELS for key in METHODS} <= cells
    for row in rows:
        assert row.cases or row.refused.endswith(".")


def test_results_name_no_place_of_the_machine_that_made_them():
    for path in SHIPPED.parent.glob(f"*/{FILE}"):
        assert str(ROOT) not in path.read_text(encoding="utf-8")
