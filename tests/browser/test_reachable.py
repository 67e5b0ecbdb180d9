"""Nothing that axe-core knows keeps anybody out of any tab, light or dark."""

from axe_playwright_python.sync_playwright import Axe

from app.page import TABS
from tests.browser.conftest import open_tab, shoot

AT_ONCE = "*, *::before, *::after { transition: none !important; }"  # a colour on its way is neither of the two


def test_no_tab_keeps_anybody_out_light_or_dark(visit_page):
    page = visit_page()
    page.wait_for_function("window.longsight.opened")
    page.add_style_tag(content=AT_ONCE)
    found = {}
    for tab in TABS:
        open_tab(page, tab)
        for shade in ("dark", "light"):
            page.click("#shade")
            shoot(page, f"{tab}-{shade}")
            broken = Axe().run(page).response["violations"]
            found |= {(tab, shade, each["id"]): [node["html"] for node in each["nodes"]] for each in broken}
    assert found == {}
