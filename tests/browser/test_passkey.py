"""The passkey lab in a real browser: a grid fills in, is stopped and gone on with, cells open, its file loads again."""

import json
import re

from playwright.sync_api import expect

from app.session import model_catalogue
from app.session.device_sharing import line_of
from tests.browser.conftest import PHONE, shoot

SMALL = "?tab=passkey&methods=lm-infinite;truncation:length=512&lengths=256,1024&depths=0,100&trials=2&text=none"
LONG = "?tab=passkey&methods=vanilla&lengths=256,512,1024&depths=0,100&trials=8&text=none"
HEIGHTS = """async () => {
  const areas = [...document.querySelectorAll('#passkey-grids .plot-area')].filter((area) => area.checkVisibility());
  await Promise.all(areas.map((area) => Plotly.Plots.resize(area)));
  const height = (node) => node.getBoundingClientRect().height;
  const pairs = areas.map((area) => [height(area.closest('.plot')), height(area.querySelector('.main-svg'))]);
  return pairs.filter(([frame, figure]) => frame < figure);
}"""
"""Frames that are lower than their figures, once these have learnt their width."""


def device_line():
    return line_of(model_catalogue.model(model_catalogue.names()[0]).device)


def grid(page, number):
    """The numbers in the cells of a grid, row by row, once it is drawn."""
    page.wait_for_function(f"document.querySelector('#passkey-grid-{number} .plot-area')?._fullData")
    return page.evaluate(
        f"[...document.querySelector('#passkey-grid-{number} .plot-area')._fullData[0].text].map((row) => [...row])"
    )


def lines(page, number):
    return page.evaluate(
        f"(document.querySelector('#passkey-grid-{number} .plot-area').layout.shapes ?? []).map((line) => line.x0)"
    )


def run(page):
    expect(page.locator("#passkey-status")).to_contain_text("trials")
    page.click("#passkey-run")


def finished(page):
    expect(page.locator("#passkey-status")).to_contain_text("trials are done")


def click_cell(page, number, column, row):
    page.evaluate(f"document.querySelector('#passkey-grid-{number}').scrollIntoView({{block: 'center'}})")
    at = page.evaluate(
        """([number, column, row]) => {
          const area = document.querySelector(`#passkey-grid-${number} .plot-area`);
          const {xaxis, yaxis} = area._fullLayout, box = area.getBoundingClientRect();
          return [box.x + xaxis._offset + xaxis.d2p(column), box.y + yaxis._offset + yaxis.d2p(row)];
        }""",
        [number, column, row],
    )
    page.mouse.move(*at)
    page.mouse.click(*at)


def load(page, name, content, button="#passkey-load"):
    with page.expect_file_chooser() as chooser:
        page.click(button)
    chooser.value.set_files([{"name": name, "mimeType": "application/json", "buffer": content}])


def save(page, kind):
    with page.expect_download() as download:
        page.click(f"#passkey-{kind}")
    return download.value.path()


def test_a_grid_fills_in_and_its_file_loads_again_where_a_finished_example_stands(visit_page):
    page = visit_page(SMALL)
    run(page)
    finished(page)
    truncated = grid(page, 1)
    assert (truncated[0][0], truncated[0][1], truncated[1][1]) == ("2/2", "0/2", "2/2")
    assert all(cell.endswith("/2") for row in grid(page, 0) for cell in row)
    text = save(page, "json").read_text(encoding="utf-8")
    assert json.loads(text)["arrays"]["length"]["values"] == [256, 1024]
    table = save(page, "csv").read_text(encoding="utf-8")
    assert "method index,length index,depth index,trial index" in table
    before = [grid(page, 0), grid(page, 1)]

    # at first sight; a cell of it opens
    again = visit_page("?tab=passkey")
    made = "A finished example, recorded with rope-small: Truncation, LM-Infinite, SelfExtend."
    expect(again.locator("#passkey-note")).to_contain_text(made)
    assert all(re.fullmatch(r"\d+/\d+", cell) for number in range(3) for row in grid(again, number) for cell in row)
    assert len(lines(again, 0)) == len(lines(again, 2)) == 1  # truncation's and SelfExtend's
    shoot(again, "passkey")
    click_cell(again, 1, 2, 0)
    expect(again.locator("#passkey-told")).to_contain_text("The model answered")
    expect(again.locator("#passkey-told .sight")).to_contain_text("is hidden, but can be fetched by content")
    key = again.locator("#passkey-prompt [style*='0.7)']")  # a token for each digit, in each of two statements
    assert re.fullmatch(r"(\d{5})\1", "".join(key.all_inner_texts()))
    again.wait_for_function("document.querySelector('#passkey-heads .plot-area')?._fullData")
    assert not device_line().busy
    again.focus("#passkey-cells input")  # and by the keyboard
    again.keyboard.type("Truncation · 256 tokens · key at 25%")
    again.keyboard.press("Enter")
    opened = re.compile("Truncation.* · 256 tokens · key at depth 25%")
    expect(again.locator("#passkey-told b").first).to_contain_text(opened)
    again.focus("#passkey-filler input")
    expect(again.get_by_role("listbox")).to_have_count(1)
    again.keyboard.press("Tab")
    expect(again.get_by_role("listbox")).to_have_count(0)

    load(again, "saved.json", text.encode())
    said = "rope-small · The papers' text · asked in its chat · 2 per cell · seed 0"
    expect(again.locator("#passkey-note")).to_contain_text(said)
    expect(again.locator("#passkey-status")).to_contain_text("all 16 trials are done")
    expect(again.locator("#passkey-grid-2")).to_be_hidden()
    assert [grid(again, 0), grid(again, 1)] == before


def test_a_grid_is_stopped_and_gone_on_with(visit_page):
    page = visit_page(LONG)
    run(page)
    expect(page.locator("#passkey-grids")).to_contain_text("it said")  # the example's answers are not told
    assert page.evaluate(HEIGHTS) == [], "a grid that has grown wider stays as high as what is drawn in it"
    page.click("#passkey-stop")
    expect(page.locator("#passkey-status")).to_contain_text("trials are left")
    expect(page.locator("#passkey-run")).to_have_text("Resume")
    assert not device_line().busy
    before = grid(page, 0)
    assert "" in [cell for row in before for cell in row]
    page.click("#passkey-run")
    finished(page)
    after = grid(page, 0)
    assert all(re.fullmatch("[0-8]/8", cell) for row in after for cell in row)
    done = [(one, two) for ones, twos in zip(before, after, strict=True) for one, two in zip(ones, twos, strict=True)]
    assert all(one == two for one, two in done if one.endswith("/8"))
    expect(page.locator("#passkey-run")).to_have_text("Run")


def test_the_address_is_the_view_and_what_does_not_fit_gets_a_sentence(visit_page):
    page = visit_page("?tab=passkey&lengths=512,700&depths=30&trials=1&filler=prose&text=none")
    expect(page.locator("#passkey-status")).to_contain_text("6 trials")
    page.fill("#passkey-lengths input, #passkey-lengths textarea", "512, many")
    page.keyboard.press("Enter")
    expect(page.locator("#passkey-status")).to_contain_text("Lengths must give a whole number, but 'many' was given")
    page.fill("#passkey-lengths input, #passkey-lengths textarea", "300, 600, 900")
    page.keyboard.press("Enter")
    expect(page.locator("#passkey-status")).to_contain_text("9 trials")
    page.wait_for_function("location.search.includes('lengths=300') && location.search.includes('filler=prose')")


def test_another_trial_of_the_cell_and_the_dark_and_a_phone(visit_page):
    page = visit_page("?tab=passkey", size=PHONE, dark=True)
    grid(page, 2)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    shoot(page, "phone-passkey")
    click_cell(page, 2, 0, 1)
    expect(page.locator("#passkey-told")).to_contain_text("The model answered")
    first = page.inner_text("#passkey-told .answer")
    page.locator("#passkey-trials-of-cell label").nth(1).click()
    page.wait_for_function(
        "(before) => document.querySelector('#passkey-told .answer').innerText !== before", arg=first
    )
    shoot(page, "phone-trial")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
