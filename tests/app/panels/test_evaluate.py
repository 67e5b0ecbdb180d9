"""The Evaluate panel apart from the browser: what ships is shown, what is brought is checked."""

import json

import gradio as gr
import pytest

from analysis.evaluation.results import FILE
from app.panels import evaluate
from app.session.opened_results import SHIPPED, open_results, shipped
from longsight.errors import LongSightError


@pytest.fixture(scope="module")
def panel(shared):
    return evaluate.build_panel("rope-small")


@pytest.fixture
def rows():
    return [json.loads(line) for line in (SHIPPED / FILE).read_text(encoding="utf-8").splitlines()]


def saved(upload_folder, rows):
    path = upload_folder / "mine.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return str(path)


def test_what_ships_has_every_part_with_tables_and_what_the_papers_report(panel, session):
    for title, number in shipped().choices:
        told = panel.show(number, session)
        assert "A finished run of the embedded models" in told[panel.note]
        assert len(told[panel.lead]) > 40
        assert "<table" in told[panel.tables], title
        assert "Reported" in told[panel.tables], title
        assert all(json.loads(figure["json"])["data"] for figure in told[panel.figures]["figures"])
        assert "trained on" in told[panel.about]
    assert any("Passkey" in title for title, _ in shipped().choices)


def test_a_file_of_ones_own_takes_the_place_and_survives_a_bad_one(panel, session, upload_folder, rows):
    mine = [row | {"model": row["model"] | {"name": "my-model"}} for row in rows if row["task"]["key"] == "passkey"]
    told = panel.load_results(saved(upload_folder, mine), "rope-small", session)
    dropdown, about = told[panel.part], told[panel.about]
    assert [title for title, _ in dropdown.choices] == [title for title, _ in session.results.choices]
    assert all("my-model" in title for title, _ in dropdown.choices)
    assert (told[panel.note], "my-model" in about) == ("", True)
    before = session.results
    with pytest.raises(gr.Error, match="line 1 is not a cell"):
        panel.load_results(saved(upload_folder, [{"cell": 1}]), "rope-small", session)
    assert session.results is before
    again = panel.show(0, session)  # as a page does that is loaded again
    assert (again[panel.part].choices, again[panel.note]) == (dropdown.choices, "")
    session.let_go("It had to go.")
    assert session.results is None


def test_what_is_shown_first_is_what_the_chosen_model_found_and_it_follows_the_model(panel, session):
    parts = shipped().parts
    first = parts[panel.part.value]
    assert (first.task, first.model) == ("passkey", "rope-small")
    for number, part in enumerate(parts):
        other = {"rope-small": "alibi-small", "alibi-small": "rope-small"}[part.model]
        told = parts[panel.change_model(number, other, session)[panel.part]]
        assert (told.task, told.model, told.title.split(":")[0]) == (part.task, other, part.title.split(":")[0])
        assert panel.change_model(number, part.model, session)[panel.part] == number
        assert panel.change_model(number, "SmolLM2-135M", session)[panel.part] == number  # no results of it ship


def test_rows_that_no_table_can_be_made_of_get_one_sentence(panel, session, upload_folder, rows):
    row = next(row for row in rows if row["task"]["key"] == "passkey" and row["refused"] is None)
    row["cases"][0]["facts"] = {}
    with pytest.raises(gr.Error, match="these are no facts of a case of passkey; depth: Field required"):
        panel.load_results(saved(upload_folder, [row]), "rope-small", session)
    with pytest.raises(gr.Error, match="There are no finished cells"):
        panel.load_results(
            saved(upload_folder, [row | {"refused": "No.", "cases": [], "scores": {}}]), "rope-small", session
        )


def test_names_in_a_file_are_text(panel, session, upload_folder, rows):
    hostile = "<img src=x onerror=alert(1)>"
    mine = [row | {"model": row["model"] | {"name": hostile}} for row in rows]
    told = panel.load_results(saved(upload_folder, mine), "rope-small", session)
    assert all("<img" not in told[place] for place in (panel.note, panel.lead, panel.tables, panel.about))


@pytest.mark.parametrize("number", [-1, 10_000, None, "0", True, 1.5])
def test_a_part_that_is_not_there_gets_one_sentence(panel, session, number):
    with pytest.raises(gr.Error, match="There is no part"):
        panel.show(number, session)


def test_too_large_a_file_is_not_even_read(panel, session, upload_folder, monkeypatch):
    monkeypatch.setattr(evaluate, "MOST_BYTES", 10)
    path = upload_folder / "big.jsonl"
    path.write_text("x" * 11)
    with pytest.raises(gr.Error, match=r"big.jsonl has 11 B; up to 10 B are read here"):
        panel.load_results(str(path), "rope-small", session)
    with pytest.raises(gr.Error, match="No file arrived"):
        panel.load_results(None, "rope-small", session)


def test_no_results_are_no_results():
    with pytest.raises(LongSightError):
        open_results("empty", [])
