"""What the page shows must not hang on the moment at which a message comes, nor ask for more than it needs."""

from playwright.sync_api import expect

from tests.browser.conftest import PATIENCE, ask, cells, paste
from tests.browser.test_chat import long_text

QUIET = 2000  # milliseconds without a request


def test_a_page_that_is_left_alone_asks_for_nothing(visit_page):
    for query in ("", "?text=none&methods=vanilla", "?text=none&methods=self-extend;window&tab=maps"):
        page = visit_page(query)
        for _ in range(PATIENCE // QUIET):
            page.posts.clear()
            page.wait_for_timeout(QUIET)
            if not page.posts:
                break
        assert page.posts == []


def test_stop_is_there_and_the_box_is_empty_however_late_the_answers_come(visit_page):
    page = visit_page("?text=none&methods=vanilla", late=True)
    paste(page, long_text(100_000))
    expect(page.locator("#document .count")).to_contain_text("tokens")
    expect(page.locator("#ask .thumbnails")).to_have_count(0)
    ask(page, "What is the pass key?")
    expect(cells(page, "reading")).to_contain_text("tok/s")
    expect(page.locator("#ask textarea")).to_have_value("")
    expect(page.get_by_role("button", name="Submit")).to_be_hidden()
    page.get_by_role("button", name="Stop").click()
    expect(cells(page, "stopped")).to_have_count(1)
    expect(page.get_by_role("button", name="Submit")).to_be_visible()
    expect(page.get_by_role("button", name="Stop")).to_be_hidden()


def test_the_tab_and_the_lab_s_run_and_stop_are_there_however_late_the_answers_come(visit_page):
    page = visit_page("?tab=passkey&methods=vanilla&lengths=2048&depths=0,50,100&trials=8&text=none", late=True)
    expect(page.locator("#passkey-status")).to_contain_text("trials")
    page.click("#passkey-run")
    expect(page.locator("#passkey-status .running")).to_contain_text("of 24 trials")
    expect(page.locator("#passkey-run")).to_be_hidden()
    page.click("#passkey-stop")
    expect(page.locator("#passkey-run")).to_be_visible()
    expect(page.locator("#passkey-stop")).to_be_hidden()
    expect(page.locator("#passkey-status")).to_contain_text("24 trials")
