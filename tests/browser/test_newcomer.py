"""A newcomer's hour, in a minute: a book of one's own, what became of it, and nothing lost on the way."""

import json
import re

from playwright.sync_api import expect

from app.session.samples import sample
from tests.browser.conftest import ask, cells, paste, shoot
from tests.browser.test_chat import QUESTION, chips, heads, pick

KEY = "40917"


def test_a_newcomer_pastes_a_book_understands_keeps_and_passes_on(visit_page):
    page = visit_page("?methods=vanilla;lm-infinite&longest=24")
    expect(page.locator(".conversation .note")).to_contain_text("A finished example")

    # a book: its length against the trained one, what may be asked, what that will take, who cannot reach that far
    paste(page, sample("hound").document().text)
    expect(page.locator("#document .count")).to_have_text(
        re.compile(r"7,5\d\d tokens = 15 × the trained length of 512")
    )
    expect(page.locator(".conversation .note")).to_be_hidden()  # the example is over
    expect(page.locator("#side .method-head .short")).to_contain_text("up to 512 tokens. This text needs 7,8")
    expect(page.locator("#costs .short")).to_have_text("distances familiar up to 512")
    expect(chips(page)).to_have_text([QUESTION, "Go on."])

    # an answer each, what they amount to, and where the right one came from
    chips(page).first.click()
    expect(cells(page, "done")).to_have_count(2)
    broken, mended = page.locator(".cell").all()
    expect(broken.locator(".verdict[data-mood=bad]")).to_contain_text("key not found")
    expect(broken.locator(".lesson")).to_contain_text("15 × the 512 tokens that it was trained on")
    expect(mended.locator(".verdict[data-mood=good]")).to_have_text(f"found the key{KEY}")
    shoot(page, "chat")
    mended.locator(".sources > summary").click()
    mended.locator(".passage > summary").first.click()
    expect(mended.locator(".passage mark").first).to_contain_text(KEY)
    mended.locator(".sources > summary").click()

    # the same method once more, with a parameter of one's own; the one that is left out goes on following the text
    pick(page, 1, "SelfExtend")
    expect(heads(page).last).to_contain_text(re.compile(r"Fitted to 7,8\d\d tokens: group 64, window 128\."))
    page.click("#add-method")
    pick(page, 2, "SelfExtend")
    page.locator("#method-2").get_by_text("Parameters").click()
    page.locator("#method-2").get_by_label(re.compile("^group ")).fill("128")
    expect(heads(page).last).to_contain_text("SelfExtend G=128")
    expect(page.locator("#costs .unseen")).to_contain_text("SelfExtend G=64 has not seen the turn above")
    chips(page).first.click()
    expect(cells(page, "done")).to_have_count(5)
    expect(page.locator(".turn:nth-child(2) .unseen:visible")).to_have_text(["Has not seen the turn above"] * 2)
    shoot(page, "newcomer")

    # a link, which says what it cannot carry; opened elsewhere it brings the methods, and no text
    page.click("#link")
    expect(page.locator("#link")).to_have_text("Copied")
    expect(page.locator("#link")).to_have_attribute("data-note", "Your text is not in the link")
    link = page.evaluate("navigator.clipboard.readText()")
    assert "methods=vanilla;self-extend;self-extend:group=128" in link
    other = visit_page(f"?{link.partition('?')[2]}")
    expect(other.locator("#document .empty")).to_be_visible()
    expect(heads(other)).to_have_count(3)
    expect(heads(other).nth(1)).to_contain_text("Fitted to 512 tokens: group ")
    assert KEY not in other.content()

    # loaded again at once, and once more, it is all there; the second page goes on with what the first one took over
    said = page.locator(".conversation").inner_text()
    page.get_by_role("tab", name="Diagnostics").click()
    page.fill("#diagnostics-length input", "768")
    page.keyboard.press("Enter")
    expect(page.locator("#diagnostics-status")).to_contain_text("768 tokens with 3 methods")
    page.click("#diagnostics-run")
    expect(page.locator(".side[data-state=done]")).to_have_count(3)
    for _ in range(2):
        page.reload()
    expect(page.locator("#diagnostics-status")).to_contain_text("measured")
    expect(page.locator(".side[data-state=done]")).to_have_count(3)
    page.get_by_role("tab", name="Chat").click()
    expect(page.locator("#document .name")).to_have_text("pasted text")
    expect(cells(page, "done")).to_have_count(5)
    assert page.locator(".conversation").inner_text() == said
    assert other.evaluate("longsight.visit") != page.evaluate("longsight.visit")
    assert page.evaluate("sessionStorage.getItem('longsight-visit')") is None  # a copy of the tab finds nothing

    # it goes on, and goes home as a file
    ask(page, "And again?")
    expect(cells(page, "done")).to_have_count(8)
    with page.expect_download() as saved:
        page.click("#conversation-json")
    told = json.loads(saved.value.path().read_text(encoding="utf-8"))
    assert [answer["method"] for answer in told["turns"][0]["answers"]] == ["vanilla", "lm-infinite"]
    assert [answer["parameters"].get("group") for answer in told["turns"][1]["answers"]] == [None, 64, 128]
    assert told["turns"][0]["answers"][1]["verdict"] == "found the key"
    assert KEY in told["turns"][0]["answers"][1]["passages"][0]["text"]
