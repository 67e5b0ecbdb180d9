"""What the page shows must not hang on the moment at which a message comes, nor ask for more than it needs."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import (
    QUIET,
    answer_late,
    answer_layout_late,
    answer_panels_after,
    ask,
    cells,
    left_alone,
    paste,
)
from tests.browser.test_chat import long_text, pick


def test_a_page_that_is_left_alone_asks_for_nothing(visit_page):
    for query in ("?text=none&methods=vanilla", "?text=none&methods=self-extend;window&tab=maps"):
        left_alone(visit_page(query))


def test_run_and_stop_are_there_and_the_box_is_empty_however_late_the_answers_come(visit_page):
    page = visit_page("?tab=passkey&methods=vanilla&lengths=2048&depths=0,50,100&trials=8&text=none", late=answer_late)
    expect(page.locator("#passkey-status")).to_contain_text("trials")
    page.click("#passkey-run")
    expect(page.locator("#passkey-status .running")).to_contain_text("of 24 trials")
    expect(page.locator("#passkey-run")).to_be_hidden()
    page.click("#passkey-stop")
    expect(page.locator("#passkey-run")).to_be_visible()
    expect(page.locator("#passkey-stop")).to_be_hidden()
    expect(page.locator("#passkey-status")).to_contain_text("24 trials")

    page.click("#tab-chat-button")
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


@pytest.mark.parametrize(
    ("query", "place", "text"),
    [
        ("?tab=passkey&text=none&methods=window&lengths=256&depths=50&trials=3", "#passkey-status", "3 trials"),
        ("?tab=diagnostics&text=hound&methods=window&length=640", "#diagnostics-status", "640 tokens"),
        ("?tab=maps&text=none&methods=window:window=64&tokens=5000", "#map-0", "5,000 tokens, Window (window=64)"),
        ("?tab=evaluate&text=none&part=1", "#evaluate-note", "A finished run"),
    ],
)
def test_a_panel_that_a_link_opens_is_shown_however_late_it_hears_of_its_first_question(visit_page, query, place, text):
    page = visit_page(query, late=answer_panels_after("longsight.opened"))
    expect(page.locator(place)).to_contain_text(text)


def test_the_address_names_the_tab_that_is_open_however_late_another_is_answered(visit_page):
    about_is_open = "document.querySelector('#tab-about')?.checkVisibility()"
    page = visit_page("?text=none&methods=vanilla", late=answer_panels_after(about_is_open))
    page.wait_for_function("longsight.opened")
    for tab in ("maps", "about"):
        page.locator(f"#tab-{tab}-button").click()
    page.wait_for_timeout(2 * QUIET)
    assert "tab=about" in page.evaluate("location.search")


def test_a_method_chosen_while_another_goes_is_kept_however_late_the_server_hears_of_it(visit_page):
    page = visit_page("?text=none&methods=vanilla;window;rerope", late=answer_panels_after("window.released"))
    page.wait_for_function("longsight.opened")
    page.focus("#method-2-remove")
    page.keyboard.press("Enter")
    picker = page.locator("#method-1-picker input")
    picker.focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(picker).to_have_value("Truncation")
    expect(picker).to_be_focused()  # again, as who chose by keyboard is still there
    page.evaluate("window.released = true")
    expect(page.locator("#method-2-picker")).to_be_hidden()  # the first answer, which knows of Window
    page.focus("#ask textarea")  # and so the picker is left, and says what it holds
    expect(page.locator("#method-line textarea, #method-line input")).to_have_value(re.compile("^vanilla;truncation"))
    page.wait_for_timeout(2 * QUIET)
    expect(picker).to_have_value("Truncation")


def test_what_is_chosen_while_the_choice_before_is_being_refused_is_shown(visit_page):
    chosen = "document.querySelector('#method-0-picker input')?.value === 'ReRoPE'"
    page = visit_page("?text=none&methods=window", late=answer_panels_after(chosen))
    page.wait_for_function("longsight.opened")
    page.locator("#method-0").get_by_text("Parameters").click()
    page.locator("#method-0").get_by_label(re.compile("^window ")).fill("-1")
    pick(page, 0, "ReRoPE")
    expect(page.locator("#method-0 .method-head")).to_contain_text("far tokens all stand at the same")
    expect(page.locator("#method-0 [role=alert]")).to_have_count(0)
    page.wait_for_function("new URLSearchParams(location.search).get('methods')?.startsWith('rerope')")


def test_the_document_of_a_link_can_be_removed_however_late_the_answers_come(visit_page):
    page = visit_page("?tab=maps&text=grass&methods=vanilla", late=answer_layout_late)
    expect(page.locator("#document .count")).to_contain_text("tokens")
    page.click("#remove")
    expect(page.locator("#document")).to_contain_text("No document yet")


def test_what_is_asked_while_the_server_ends_its_messages_is_answered(visit_page):
    """The server's last message comes late, and what was asked before it came stands on no stream but the next."""
    page = visit_page("?tab=maps&text=none&methods=window:window=64&tokens=5000")
    caption = page.locator("#map-0")
    expect(caption).to_contain_text("5,000 tokens, Window (window=64)")
    page.locator("#method-0").get_by_text("Parameters").click()
    page.wait_for_timeout(QUIET)
    page.ended = page.asked = False

    def end_late(route):
        answer = route.fetch()  # all messages, up to the last
        page.ended = True
        while not page.asked:
            page.wait_for_timeout(50)
        page.wait_for_timeout(QUIET)
        route.fulfill(response=answer)

    page.route("**/queue/data*", end_late, times=1)
    page.locator("#map-tokens input").fill("6000")
    page.keyboard.press("Enter")
    while not page.ended:
        page.wait_for_timeout(50)
    with page.expect_response("**/queue/join*"):
        page.locator("#method-0").get_by_label(re.compile("^window ")).fill("96")
    page.asked = True
    expect(caption).to_contain_text("6,000 tokens, Window (window=96)")
