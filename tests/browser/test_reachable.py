"""Nothing that axe-core knows keeps anybody out of the first screen."""

import pytest
from axe_playwright_python.sync_playwright import Axe


@pytest.mark.parametrize("dark", [False, True])
def test_the_chat_keeps_nobody_out(visit_page, dark):
    page = visit_page(dark=dark)
    page.wait_for_function("window.longsight.opened")
    assert {each["id"]: len(each["nodes"]) for each in Axe().run(page).response["violations"]} == {}
