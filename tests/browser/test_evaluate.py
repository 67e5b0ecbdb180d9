"""Evaluations in a real browser: tables and figures at first sight, another file, and one that is none."""

import json
import threading

from playwright.sync_api import expect

from analysis.evaluation.results import FILE
from app.session import evaluation_runs
from app.session.opened_results import SHIPPED, shipped
from tests.browser.conftest import shoot
from tests.browser.test_passkey import device_line, load

RUN = "&text=none&methods=vanilla;lm-infinite&tasks=passkey&evaluate-lengths=256,1024,4096&evaluate-trials=1"
DRAWN = "document.querySelector('#evaluate-board .plot-area')?._fullData"


def test_tables_and_figures_of_a_finished_run_stand_here_and_each_can_be_chosen(visit_page):
    page = visit_page("?tab=evaluate")
    expect(page.locator("#evaluate-note")).to_contain_text("A finished run")
    page.wait_for_function(DRAWN)
    expect(page.locator("#evaluate-tables")).to_contain_text("Reported")
    expect(page.locator("#evaluate-about")).to_contain_text("trained on 512 tokens")
    shoot(page, "evaluate")
    for removed in ("Passkey", "Vanilla", "the text"):
        expect(page.get_by_role("button", name=f"Remove {removed}", exact=True)).to_be_visible()
    title, number = next(choice for choice in shipped().choices if "Passkey" in choice[0])
    page.click("#part input")
    page.get_by_role("option", name=title, exact=True).first.click()
    expect(page.locator("#evaluate-tables")).to_contain_text("Share found")
    page.wait_for_function(f"location.search.includes('part={number}')")
    clock = page.evaluate(
        "(() => { const tracker = document.createElement('div'); tracker.dataset.testid = 'status-tracker';"
        " tracker.innerHTML = '<div class=\"progress-text\">processing | 8.3/2.9s</div>';"
        " document.querySelector('#part').append(tracker);"
        " return getComputedStyle(tracker.firstChild).display; })()"
    )
    assert clock == "none", "Gradio's own clock contradicts what the page says"
    again = visit_page(f"?tab=evaluate&part={number}")
    expect(again.locator("#evaluate-tables")).to_contain_text("Share found")


def test_ones_own_file_is_opened_and_another_gets_a_sentence(visit_page):
    page = visit_page("?tab=evaluate")
    page.wait_for_function(DRAWN)
    rows = [json.loads(line) for line in (SHIPPED / FILE).read_text(encoding="utf-8").splitlines()]
    mine = [row | {"model": row["model"] | {"name": "my-model"}} for row in rows if row["task"]["key"] == "passkey"]
    load(page, "mine.jsonl", "".join(json.dumps(row) + "\n" for row in mine).encode(), "#results")
    expect(page.locator("#evaluate-about")).to_contain_text("my-model")
    load(page, "notes.jsonl", b"Dear diary\n", "#results")
    expect(page.get_by_text("notes.jsonl is no file of results: line 1 is not a cell.")).to_be_visible()
    expect(page.locator("#evaluate-about")).to_contain_text("my-model")


def test_an_evaluation_is_run_stopped_gone_on_with_saved_and_opened_again(visit_page, monkeypatch):
    stopped, run_cells = threading.Event(), evaluation_runs.run_cells

    def held(model, cells, *more):
        """The longest texts wait until somebody has stopped, however late this page is drawn."""
        for step in run_cells(model, cells, *more):
            while step.result is None and cells[0].length == 4096 and not stopped.wait(0.05):
                yield step
            yield step

    monkeypatch.setattr(evaluation_runs, "run_cells", held)
    page = visit_page(f"?tab=evaluate{RUN}")
    status, run, tables = (page.locator(f"#evaluate-{name}") for name in ("status", "run", "tables"))
    expect(status).to_contain_text("6 cells, 30 prompts")
    run.click()
    expect(status).to_contain_text("of 6 cells · Passkey, ")
    expect(page.locator("#evaluate-note")).not_to_contain_text("A finished run")  # a first cell is there
    page.click("#evaluate-stop")
    expect(status).to_contain_text("of 6 cells are left")
    stopped.set()
    expect(run).to_have_text("Resume")
    assert not device_line().busy
    shoot(page, "evaluate-stopped")
    run.click()
    expect(status).to_contain_text("all 6 cells are done")
    expect(run).to_have_text("Run")
    expect(tables).to_contain_text("4,096")
    told = tables.inner_text()
    with page.expect_download() as download:
        page.click("#evaluate-jsonl")
    content = download.value.path().read_bytes()
    assert [json.loads(line)["model"]["name"] for line in content.splitlines()] == ["rope-small"] * 6
    with page.expect_download() as download:
        page.click("#evaluate-html")
    assert "Passkeys: rope-small" in download.value.path().read_text(encoding="utf-8")
    page.click("#evaluate-clear")
    expect(page.locator("#evaluate-note")).to_contain_text("A finished run")
    expect(status).to_contain_text("6 cells, 30 prompts")
    load(page, "results.jsonl", content, "#results")
    expect(status).to_contain_text("all 6 cells are done")
    expect(page.locator("#evaluate-note")).not_to_contain_text("A finished run")
    expect(tables).to_have_text(told, use_inner_text=True)
    page.fill("#evaluate-trials input", "0")
    page.keyboard.press("Tab")
    expect(status).to_contain_text("Trials must be a whole number from 1 to 50, but 0 was given.")
    page.fill("#evaluate-trials input", "1.5")
    page.keyboard.press("Tab")
    expect(status).to_contain_text("Trials must be a whole number from 1 to 50, but 1.5 was given.")
    page.fill("#evaluate-trials input", "")
    page.keyboard.press("Tab")
    expect(status).to_contain_text("Trials must be a whole number from 1 to 50, but nothing was given.")
    page.wait_for_function("location.search.includes('tasks=passkey')")
    page.locator("#evaluate-tasks input").click()
    page.keyboard.press("Backspace")
    expect(status).to_contain_text("No task is chosen; choose Perplexity, Passkey, ")
    page.wait_for_function("!location.search.includes('tasks=')")
