"""Nothing that axe-core knows keeps anybody out of any tab, light or dark, and nothing is cut off on a phone."""

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from app.page import TABS
from tests.browser.conftest import DESKTOP, PHONE, open_tab, shoot

SHARED = {"width": 1200, "height": 630}  # of the picture that a link to the page shows
AT_ONCE = "*, *::before, *::after { transition: none !important; }"  # a colour on its way is neither of the two

OF_COLOUR = {"runOnly": {"type": "rule", "values": ["color-contrast", "link-in-text-block"]}}
"""What another shade can break: all other rules speak of the same elements again."""


def test_no_tab_keeps_anybody_out_light_or_dark(visit_page):
    page = visit_page()
    page.wait_for_function("window.longsight.opened")
    page.add_style_tag(content=AT_ONCE)
    picture_to_share(page)
    found = {}
    for tab in TABS:
        open_tab(page, tab)
        for shade, rules in (("dark", {}), ("light", OF_COLOUR)):
            page.click("#shade")
            shoot(page, f"{tab}-{shade}")
            broken = Axe().run(page, options=rules | {"resultTypes": ["violations"]}).response["violations"]
            found |= {(tab, shade, each["id"]): [node["html"] for node in each["nodes"]] for each in broken}
    assert found == {}
    assert page.evaluate(TOOLS_IN_THE_WAY) == []


TOOLS_IN_THE_WAY = """() => [...document.querySelectorAll('.modebar')].filter((tools) => {
  const right = (node) => node.getBoundingClientRect().right;
  const titles = [...tools.querySelectorAll('[data-title]')].map((button) => button.dataset.title);
  const covers = tools.getBoundingClientRect().left < right(tools.closest('.plot-area').querySelector('.main-svg')) - 1;
  const icons = [...tools.querySelectorAll('path')].map((icon) => icon.getAttribute('d'));
  const twice = [titles, icons].some((told) => new Set(told).size < told.length);
  return right(tools) && (covers || twice);
}).map((tools) => tools.closest('[id]').id)"""
"""Toolbars that stand in their own figure, or have a button or an icon twice."""


def picture_to_share(page):
    """The failure and its repair, of the size in which a link to the page is shown."""
    page.set_viewport_size(SHARED)
    page.click("#side .toggle-button")
    page.add_style_tag(content=".conversation { max-height: none !important; }")
    page.wait_for_timeout(500)  # until the side is closed
    shoot(page, "share")
    page.click("#side .toggle-button")
    page.set_viewport_size(DESKTOP)


TOO_WIDE = """() => {
  const scrolls = (node) => node
    && (/auto|scroll/.test(getComputedStyle(node).overflowX) || scrolls(node.parentElement));
  const wide = (node) => {
    const {width, right} = node.getBoundingClientRect();
    if (!width || right <= innerWidth + 0.5 || !node.checkVisibility({visibilityProperty: true})) return false;
    return node.tagName === 'P' || !scrolls(node.parentElement);  // nobody scrolls sideways to read a sentence
  };
  const [page, ...nodes] = document.querySelectorAll('html, body *');
  const found = nodes.filter(wide).map((node) => node.outerHTML.slice(0, 120));
  return page.scrollWidth > innerWidth ? [`${page.scrollWidth} px`, ...found] : found;
}"""


SAID_TO_GO_ON = """() => [...document.querySelectorAll('.board-figure')]
  .filter((figure) => figure.scrollWidth > figure.clientWidth + 1 && figure.checkVisibility())
  .filter((figure) => !getComputedStyle(figure).backgroundAttachment.includes('local'))
  .map((figure) => figure.dataset.name)"""
"""Figures that scroll sideways and do not show it."""


BENEATH_AN_ARROW = """() => [...document.querySelectorAll('input[role="combobox"]')].filter((picker) => {
  const {paddingRight, textOverflow} = getComputedStyle(picker);
  const end = picker.getBoundingClientRect().right - parseFloat(paddingRight);
  const arrow = picker.parentElement.querySelector('.dropdown-arrow').getBoundingClientRect();
  return arrow.width && (end > arrow.left + 4 || textOverflow !== 'ellipsis');
}).map((picker) => picker.closest('[id]').id)"""
"""Pickers whose text may run beneath their arrow, which is drawn in the middle of 18 pixels."""


def test_on_a_phone_every_tab_can_be_opened_and_nothing_is_cut_off(visit_page):
    page = visit_page(size=PHONE)
    page.wait_for_function("window.longsight.opened")
    header = page.locator("#header").bounding_box()
    assert header["y"] + header["height"] < 0.4 * PHONE["height"]
    found = {}
    for tab in TABS:
        open_tab(page, tab)
        shoot(page, f"phone-{tab}")
        found[tab] = page.evaluate(TOO_WIDE)
        assert page.evaluate(SAID_TO_GO_ON) == []
        assert page.evaluate(BENEATH_AN_ARROW) == []
    assert {tab: wide for tab, wide in found.items() if wide} == {}
    page.mouse.wheel(0, 2000)  # the handle of the side goes away with the page, and covers nothing
    expect(page.locator("#side .toggle-button")).not_to_be_in_viewport()
