"""The distance maps are drawn, follow their controls, and the address follows them."""

import re
from itertools import pairwise
from urllib.parse import parse_qsl, quote, urlsplit

from playwright.sync_api import expect

from app.panels.method_controls import FIRST_METHODS
from app.session.samples import samples
from tests.browser.conftest import PHONE, shoot

DRAWN = (
    "[...document.querySelectorAll('#maps .heatmaplayer image')]"
    ".filter((image) => image.closest('.map').checkVisibility()).length"
)


def figure(page, column, which):
    return page.evaluate(
        """([column, which]) => {
          const area = document.querySelectorAll(`#map-${column} .plot-area`)[which];
          const [trace] = area._fullData;
          return {type: trace.type, rows: trace.z.length, columns: trace.z[0].length,
                  x: area._fullLayout.xaxis.title.text, y: area._fullLayout.yaxis.title.text,
                  first: area._fullLayout.yaxis.range[0] > area._fullLayout.yaxis.range[1],
                  numbers: trace.texttemplate ?? ''};
        }""",
        [column, which],
    )


def test_each_method_has_a_small_and_a_true_map(visit_page):
    page = visit_page("?tab=maps")
    page.wait_for_function(f"{DRAWN} === 6")
    for column in range(3):
        small, true = figure(page, column, 0), figure(page, column, 1)
        assert (small["type"], small["rows"], small["columns"]) == ("heatmap", 16, 16)
        assert small["numbers"]
        assert (true["type"], true["numbers"]) == ("heatmap", "")
        assert 128 <= true["rows"] == true["columns"] <= 512
        for axes in (small, true):
            assert (axes["x"], axes["y"]) == ("key position j", "query position i")
            assert axes["first"]  # the first query stands on top
    expect(page.locator("#map-0")).to_contain_text("at distances that training never showed")
    for kind in ("PNG", "SVG"):
        assert page.locator(f"#map-0 .modebar-btn[data-title='Save as {kind}']").count() == 2
    assert page.locator("#map-0 .modebar-btn[data-title*=Share]").count() == 0  # nothing is sent to plotly's makers
    expect(page.locator("#map-1")).to_contain_text("nothing is foreign")
    shoot(page, "maps")


def test_hover_tells_the_pair_its_distances_and_its_band(visit_page):
    page = visit_page("?tab=maps&methods=lm-infinite")
    page.wait_for_function(f"{DRAWN} === 2")
    area = page.locator("#map-0 .nsewdrag").first
    area.evaluate("node => node.scrollIntoView({block: 'center'})")
    box = area.bounding_box()
    page.mouse.move(box["x"] + box["width"] * 0.03, box["y"] + box["height"] * 0.97)
    hover = page.locator("#map-0 .hoverlayer").first
    expect(hover).to_contain_text("query i = 15, key j = 0")
    expect(hover).to_contain_text("true distance 15")
    expect(hover).to_contain_text("effective distance 8")
    expect(hover).to_contain_text("starting")


def test_controls_redraw_and_the_address_is_the_view(visit_page):
    page = visit_page("?tab=maps&methods=window:window=64&small=10&tokens=5000")
    page.wait_for_function(f"{DRAWN} === 2")
    assert figure(page, 0, 0)["rows"] == 10
    expect(page.locator("#map-0")).to_contain_text("5,000 tokens, Window (window=64)")
    page.locator("#method-0").get_by_text("Parameters").click()
    page.get_by_label(re.compile("^window ")).fill("96")
    expect(page.locator("#map-0")).to_contain_text("Window (window=96)")
    page.wait_for_function("location.search.includes('window:window=96')")
    page.click("#link")
    expect(page.locator("#link")).to_have_text("Copied")
    link = page.evaluate("navigator.clipboard.readText()")
    assert "tab=maps" in link
    again = visit_page(link[link.index("?") :])
    expect(again.locator("#map-0")).to_contain_text("5,000 tokens, Window (window=96)")
    again.wait_for_function(f"{DRAWN} === 2")
    assert figure(again, 0, 0)["rows"] == 10


def test_what_the_page_cannot_show_does_not_stay_in_its_address(visit_page):
    page = visit_page("?tab=nowhere&text=nothing&methods=what&trials=99999&small=12&evaluate-seed=x&utm=kept")
    page.wait_for_function("longsight.opened")
    told = dict(parse_qsl(urlsplit(page.url).query))
    asked = {"tab": "chat", "trials": "4", "small": "12", "evaluate-seed": "0", "utm": "kept"}
    assert asked.items() <= told.items()
    assert told["text"] in samples()
    assert told["methods"].split(";") == list(FIRST_METHODS)


def test_a_rule_in_the_address_stays_whole_when_a_number_beside_it_is_edited(visit_page):
    rule = "d < 64: d; j < 4: 64; else: min(i, n) // 8 - j // 8 + 56"
    line = quote(f'composed:rule="{rule}",length=6000;vanilla')
    page = visit_page(f"?tab=maps&methods={line}&small=10&tokens=5000")
    page.wait_for_function(f"{DRAWN} === 4")
    expect(page.locator("#map-0")).to_contain_text(f"5,000 tokens, Composed (rule={rule}, length=6000")
    page.locator("#method-0").get_by_label(re.compile("^length ")).fill("7000")
    expect(page.locator("#map-0")).to_contain_text(f"5,000 tokens, Composed (rule={rule}, length=7000")
    page.locator("#method-1-remove").click()
    expect(page.locator("#method-line textarea, #method-line input")).to_have_value(
        re.compile(f'^composed:rule="{re.escape(rule)}",length=7000')
    )
    page.wait_for_function(f"{DRAWN} === 2")


def test_colours_follow_the_shade_and_a_phone_stacks_the_maps(visit_page):
    page = visit_page("?tab=maps", size=PHONE, dark=True)
    page.wait_for_function(f"{DRAWN} === 6")
    ink = "getComputedStyle(document.querySelector('#map-0 .xtick text')).fill"
    parts = f"{ink}.match(/\\d+/g).slice(0, 3).map(Number)"
    assert min(int(part) for part in re.findall(r"\d+", page.evaluate(ink))[:3]) > 180
    page.click("#shade")
    page.wait_for_function(f"Math.max(...{parts}) < 80")
    boxes = [page.locator(f"#map-{n}").bounding_box() for n in range(3)]
    assert all(one["y"] + one["height"] <= two["y"] + 1 for one, two in pairwise(boxes))
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    shoot(page, "phone-maps")

    # a map that is hidden keeps its colours until it is shown
    page.click("#tab-about-button")
    page.click("#shade")
    page.wait_for_function("document.body.classList.contains('dark')")
    assert page.evaluate(f"Math.max(...{parts})") < 80
    page.click("#tab-maps-button")
    page.wait_for_function(f"Math.min(...{parts}) > 180")


def test_a_rule_of_ones_own_is_drawn_while_it_is_typed_and_travels_in_the_link(visit_page):
    page = visit_page("?tab=maps&methods=composed&tokens=300&text=none")
    page.wait_for_function(f"{DRAWN} === 2")
    box = page.locator("#method-0-text textarea")
    expect(box).to_have_value(re.compile(r"^d < \d+: d; j < 4: "))
    box.fill("d < 8: d; else: d // 8")
    head = page.locator("#side .method-head").first
    expect(head).to_contain_text("'d // 8' at character 17 of the rule")
    expect(head).to_contain_text("`i // 8 - j // 8` is fine")
    box.fill("d < 8: d; else: i // 8 - j // 8 + 7")
    caption = page.locator("#map-0")
    expect(caption).to_contain_text("rule=d < 8: d; else: i // 8 - j // 8 + 7")
    page.click("#method-0-preset input")
    page.get_by_role("option", name="ReRoPE", exact=True).click()
    expect(box).to_have_value(re.compile(r"^d < (\d+): d; else: \1$"))
    expect(caption).to_contain_text(re.compile(r"rule=d < (\d+): d; else: \1"))
    shoot(page, "composed")
    page.wait_for_function("decodeURIComponent(location.search).includes('composed:rule=\"d < ')")
    again = visit_page(page.evaluate("location.search"))
    expect(again.locator("#method-0-text textarea")).to_have_value(box.input_value())
