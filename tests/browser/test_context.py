"""Texts of every kind come in by paste and by upload: the long ones fast, the bad ones with one clear sentence."""

import re

from playwright.sync_api import expect

from app.components import theme
from app.panels.context import document_card
from app.session.documents import Document
from tests.analysis.documents.made_files import epub
from tests.browser.conftest import paste, upload

SENTENCE = "The old lighthouse stood at the edge of the grey sea, and nobody had been there for years. "
FIVE_MEGABYTES = 5_000_000


WATCH = """() => {
  const box = document.querySelector('#ask textarea');
  const {get, set} = Object.getOwnPropertyDescriptor(HTMLTextAreaElement.prototype, 'value');
  const note = (text) => { window.longest = Math.max(window.longest ?? 0, text.length); };
  box.addEventListener('input', () => note(get.call(box)));
  Object.defineProperty(box, 'value', {get, set(text) { note(text); set.call(box, text); }});
}"""
"""Notes the longest text that ever stood in the question box, be it typed, pasted, or put there by the page."""


def test_a_paste_of_five_megabytes_is_sent_once_as_a_file_and_never_stands_in_the_question_box(visit_page):
    """A box with that much in it, or a page that sends it along with every request, no longer reacts."""
    page = visit_page("?text=none")
    text = SENTENCE * (FIVE_MEGABYTES // len(SENTENCE) + 1)
    page.evaluate(WATCH)
    page.posts.clear()
    paste(page, text)
    expect(page.locator("#document .count")).to_contain_text(re.compile(r"[\d,]+ tokens = [\d,]+ ×"))
    expect(page.locator("#document .name")).to_have_text("pasted text")
    expect(page.locator("#document .size")).to_have_text("5.0 MB · UTF-8")
    expect(page.locator("#document blockquote").first).to_contain_text("The old lighthouse")
    expect(page.locator("#ask .thumbnails")).to_have_count(0)

    page.keyboard.type("Where did the lighthouse stand?")
    for field in ("#example input", "#model input"):  # a list that is only left has chosen nothing
        page.focus(field)
        page.keyboard.press("Tab")
    page.click("#tab-maps-button, [role=tab]:has-text('Distance maps')")
    expect(page.locator("#map-0 .plot-container").first).to_be_visible()
    expect(page.locator("#document .name")).to_have_text("pasted text")
    assert page.evaluate("window.longest") == len("Where did the lighthouse stand?")
    uploads = [url for url, _ in page.posts if "/upload" in url]
    assert len(uploads) == 1
    assert max(size for url, size in page.posts if url not in uploads) < 4_000


BAD_FILES = {
    b"": "has no text in it",
    b"a\0b" * 1000: "NUL character at position 1",
    b"%PDF-1.4 binary \xe2\xe3": "cannot be read as PDF",
    b"\x89PNG\r\n\x1a\n\0\0": "is not text in UTF-8, and in no other encoding",
}


def test_a_bad_file_gets_one_sentence_and_nothing_is_lost(visit_page, tmp_path):
    page = visit_page()
    expect(page.locator("#document .count")).to_contain_text("tokens")
    page.get_by_role("textbox", name="Question", exact=True).fill("my half-written question")
    path = tmp_path / "bad.txt"
    for raw, sentence in BAD_FILES.items():
        path.write_bytes(raw)
        upload(page, path)
        expect(page.locator("#document .problem")).to_contain_text(sentence)
        expect(page.locator("#document .count")).to_contain_text("tokens")
        assert page.input_value("#ask textarea") == "my half-written question"
    with path.open("wb") as file:
        file.truncate(50_000_000)
    upload(page, path)
    said = "bad.txt has 50.0 MB; up to 20.0 MB are read here. Give a part of it, or only its text."
    expect(page.get_by_text(said)).to_be_visible()
    page.locator("#example input").click()
    page.get_by_role("option", name="The Hound of the Baskervilles").click()
    expect(page.locator("#document .name")).to_contain_text("The Hound")
    page.click("#remove")
    expect(page.locator("#document .empty")).to_be_visible()
    expect(page.locator("#remove")).to_be_hidden()


def test_a_book_comes_in_with_what_was_left_out(visit_page, tmp_path):
    page = visit_page("?text=none")
    (tmp_path / "book.epub").write_bytes(epub(f"<h1>One</h1><p>{SENTENCE * 9}</p><img src='x'/>"))
    upload(page, tmp_path / "book.epub")
    expect(page.locator("#document .name")).to_have_text("book.epub")
    expect(page.locator("#document .size")).to_contain_text("EPUB, 1 part")
    expect(page.locator("#document .note")).to_have_text("Left out: 1 image.")
    expect(page.locator("#document blockquote").first).to_contain_text("One")


def test_emoji_right_to_left_and_markup_stay_text(visit_page):
    page = visit_page("?text=none")
    page.evaluate("window.pwned = false")
    text = "<script>window.pwned = true</script><img src=x onerror='window.pwned=true'> שלום 👩‍👩‍👧‍👦 "
    paste(page, text * 20)
    quote = page.locator("#document blockquote").first
    expect(quote).to_contain_text("<script>window.pwned = true</script><img")
    expect(quote).to_contain_text("שלום 👩‍👩‍👧‍👦")
    assert page.evaluate("window.pwned") is False
    assert page.locator("#document img, #document script").count() == 0


def test_a_long_note_leaves_the_name_of_a_file_its_room(browser):
    page = browser.new_page()
    card = document_card(Document("u16.txt", "Grass is green.", 34, form="UTF-16 with a byte order mark"), 9, 32)
    sheet = (theme.STYLES / "longsight.css").read_text(encoding="utf-8")
    page.set_content(f'<style>{sheet}</style><div id="side" style="position: static; width: 300px">{card}</div>')
    assert page.locator(".name").bounding_box()["width"] > 140
    assert page.locator("blockquote").all_inner_texts() == ["Grass is green."]  # and not once more
    page.close()
