"""The odometer in a real browser: a finished run at first sight, one's own while it reads, and Stop."""

from playwright.sync_api import expect

from tests.browser.conftest import shoot

DRAWN = "document.querySelector('#odometer-board .plot-area')?._fullData"


def test_a_recorded_run_stands_there_and_ones_own_is_drawn_beside_it_until_it_is_stopped(visit_page):
    page = visit_page("?tab=odometer&text=hound&far=100M&methods=vanilla;lm-infinite")
    page.wait_for_function(DRAWN)
    expect(page.locator("#odometer-board")).to_contain_text("A finished example, recorded with rope-small")
    expect(page.locator("#odometer-status")).to_contain_text("100,000,000 tokens")
    expect(page.locator("#odometer-tokens input, #odometer-tokens textarea")).to_have_value("100M")
    page.click("#odometer-run")
    expect(page.locator("#odometer-sides")).to_contain_text("Vanilla remembers the whole text")
    expect(page.locator("#odometer-board")).to_contain_text("recorded: LM-Infinite")
    page.click("#odometer-stop")
    expect(page.locator("#odometer-status")).to_contain_text("of 100,000,000 tokens, memory freed")
    expect(page.locator("#odometer-run")).to_be_visible()
    shoot(page, "odometer")
