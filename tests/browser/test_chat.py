"""The chat in a real browser, with the embedded model: answers side by side, follow-ups, Stop, two visitors."""

import re
from itertools import pairwise

from playwright.sync_api import expect

from app.session import model_catalogue
from app.session.device_sharing import line_of
from tests.browser.conftest import PHONE, ask, cells, left_alone, paste, shoot

QUESTION = "What is the pass key?"
WORDS = "The grass is green. The sky is blue. The sun is yellow. Here we go. There and back again. "


def device_line():
    return line_of(model_catalogue.model(model_catalogue.names()[0]).device)


def chips(page):
    return page.locator("#suggestions button:visible")


def long_text(page_tokens):
    """About this many tokens of the embedded model."""
    model = model_catalogue.model(model_catalogue.names()[0])
    per_repeat = len(model.tokenizer.encode(WORDS * 50)) / 50  # tokens may join where two repeats meet
    text = WORDS * round(page_tokens / per_repeat + 1)
    half = len(text) // 2
    return f"{text[:half]}The pass key is 31857. Remember it. 31857 is the pass key. {text[half:]}"


BACKGROUND = "Math.max(...getComputedStyle(document.querySelector('.cell')).backgroundColor.match(/\\d+/g).slice(0, 3))"

INK = "getComputedStyle(document.querySelector('.verdict[data-mood=bad] b')).color.match(/\\d+/g).map(Number)"


def test_after_the_finished_example_three_methods_answer_and_a_follow_up_reads_only_what_is_new(visit_page):
    page = visit_page()
    expect(page.locator(".conversation .note")).to_contain_text("A finished example, recorded")
    assert cells(page, "done").count() >= 2
    failed, mended = (page.locator(f".cell:nth-child({place})") for place in (1, 2))
    expect(failed.locator(".verdict")).to_contain_text("noise, key not found")
    expect(failed.locator(".lesson")).to_contain_text("This is the failure: the model as it is")
    expect(mended.locator(".verdict")).to_contain_text("found the key")
    expect(mended.locator(".lesson")).to_be_hidden()
    expect(chips(page)).to_have_text([QUESTION, "Go on."])
    left_alone(page)
    shoot(page, "first-sight")
    page.click("#shade")
    page.wait_for_function(f"{BACKGROUND} < 60")
    red, green, blue = page.evaluate(INK)
    assert red > 200 > 150 > max(green, blue)  # what is bad is red in the dark, too
    shoot(page, "dark")

    # an empty question gets a sentence, and the next one an answer by each of three methods
    cost = r"Vanilla cache \d+\.\d MB, \d+\.\d MB while it writes.*SelfExtend"
    expect(page.locator("#costs")).to_contain_text(re.compile(cost))
    ask(page, "   ")
    expect(page.get_by_text("There is no question yet")).to_be_visible()
    chips(page).first.click()
    expect(page.locator(".question")).to_have_text(QUESTION)
    expect(page.locator(".conversation .note")).to_be_hidden()
    expect(cells(page, "done")).to_have_count(3)
    expect(page.locator(".turn .about")).to_contain_text(re.compile("tokens = .* × the trained length"))
    for cell in page.locator(".cell").all():
        expect(cell.locator("footer")).to_contain_text(re.compile(r"read [\d,]+ tokens in .* tok/s · wrote .* cache"))
    sources = page.locator(".cell:nth-child(2) .sources")
    sources.locator("> summary").click()
    sources.locator(".passage > summary").first.press("Enter")
    expect(sources.locator("mark").first).to_contain_text("86409")
    expect(sources.locator(".around").first).to_contain_text("The grass is green.")
    ask(page, "Tell me the pass key.")
    expect(cells(page, "done")).to_have_count(6)
    statuses = page.locator(".turn:nth-child(2) .cell footer").all_inner_texts()
    assert all(re.search(r"[\d,]+ reused", status) for status in statuses), statuses
    assert all(int(re.search(r"read ([\d,]+) tokens", status)[1].replace(",", "")) < 40 for status in statuses)
    expect(page.locator("#costs")).to_contain_text("tokens reused")
    assert not device_line().busy


def pick(page, place, title):
    """Another method in one of the slots."""
    page.click(f"#method-{place}-picker input")
    page.get_by_role("option", name=title, exact=True).click()


def heads(page):
    return page.locator("#side .method-head:visible")


def test_one_method_answers_beside_itself_and_the_link_restores_both(visit_page):
    page = visit_page("?text=none&methods=self-extend:group=4,window=128;vanilla&longest=8")
    expect(heads(page)).to_have_count(2)
    page.click("#method-1-remove")
    expect(heads(page)).to_have_count(1)
    expect(page.locator("#method-0-remove")).to_be_hidden()  # the last one stays
    page.click("#add-method")
    expect(heads(page)).to_have_count(2)
    pick(page, 1, "SelfExtend")
    expect(heads(page).last).to_contain_text("Sees everything: near tokens exactly")
    page.locator("#method-1").get_by_text("Parameters").click()
    page.locator("#method-1").get_by_label(re.compile("^group ")).fill("16")
    ask(page, "Hello")  # at once: what is asked is what the boxes show
    expect(cells(page, "done")).to_have_count(2)
    expect(page.locator(".cell header b")).to_have_text(["SelfExtend G=4", "SelfExtend G=16"])
    expect(heads(page).last).to_contain_text("SelfExtend G=16")
    shoot(page, "one-method-twice")

    page.click("#link")
    link = page.evaluate("navigator.clipboard.readText()")
    assert "methods=self-extend:group=4,window=128;self-extend:group=16&" in link  # what is left out follows the text
    page.click("#method-1-pin")
    expect(page.locator("#method-1-pin")).to_have_text("Fit to the text again")
    assert page.evaluate("longsight.view.get('methods')").endswith(";self-extend:group=16,window=128,log_n=0")
    page.click("#method-1-pin")
    expect(page.locator("#method-1-pin")).to_have_text("Pin these values")
    page.locator("#method-1").get_by_label(re.compile("^group ")).fill("16")
    expect(heads(page).last).to_contain_text("SelfExtend G=16")
    again = visit_page(f"?{link.partition('?')[2]}")
    expect(heads(again)).to_contain_text(["SelfExtend G=4", "SelfExtend G=16"])
    for place, group in enumerate(("4", "16")):
        again.locator(f"#method-{place}").get_by_text("Parameters").click()
        expect(again.locator(f"#method-{place}").get_by_label(re.compile("^group "))).to_have_value(group)


def test_stop_in_the_middle_of_reading_frees_the_device_and_the_memory(visit_page):
    page = visit_page("?text=none&methods=vanilla;self-extend")
    paste(page, long_text(121_000))
    expect(page.locator("#document .count")).to_contain_text(re.compile(r"12\d,\d\d\d tokens = \d+ ×"))
    ask(page, QUESTION)
    expect(cells(page, "reading").first).to_contain_text(re.compile(r"reading .*/12\d.*k · .* tok/s · .* left"))
    expect(page.locator("#costs")).to_be_hidden()  # there is one total at a time
    shoot(page, "reading")
    assert device_line().busy
    page.get_by_role("button", name="Stop").click()
    expect(cells(page, "stopped")).to_have_count(2)
    expect(page.locator(".cell footer").first).to_contain_text("memory freed")
    page.wait_for_timeout(200)
    assert not device_line().busy
    page.click("#remove")
    ask(page, "Hello")
    expect(cells(page, "done")).to_have_count(2)


def test_closing_the_tab_stops_the_work(visit_page):
    page = visit_page("?text=none&methods=vanilla")
    paste(page, long_text(200_000))
    expect(page.locator("#document .count")).to_contain_text("tokens")
    ask(page, QUESTION)
    expect(cells(page, "reading").first).to_contain_text("tok/s")
    assert device_line().busy
    page.close()
    other = visit_page("?text=none&methods=vanilla")
    ask(other, "Hello")
    expect(cells(other, "done")).to_have_count(1)
    assert not device_line().busy


def test_a_short_question_is_answered_while_another_visitor_s_book_is_read_and_nothing_mixes(visit_page):
    one, two = visit_page("?text=none&methods=vanilla"), visit_page("?text=none&methods=lm-infinite")
    paste(one, long_text(100_000) + "Secret of the first visitor.")
    expect(one.locator("#document .count")).to_contain_text("tokens")
    ask(one, "First visitor's question")
    expect(cells(one, "reading").first).to_contain_text("tok/s")
    ask(two, "Second visitor's question")
    expect(cells(two, "done")).to_have_count(1)
    expect(cells(one, "reading")).to_have_count(1)
    one.get_by_role("button", name="Stop").click()
    expect(cells(one, "stopped")).to_have_count(1)
    assert "First visitor" not in two.content()
    assert "Secret" not in two.content()
    assert "Second visitor" not in one.content()


def test_a_question_is_text_whatever_it_says(visit_page):
    page = visit_page("?text=none&methods=vanilla;window&longest=8")
    page.evaluate("window.pwned = false")
    hostile = "<script>window.pwned=true</script><img src=x onerror=window.pwned=true> שלום 🎉 **not bold** <|end|>"
    ask(page, hostile)
    expect(cells(page, "done")).to_have_count(2)
    expect(page.locator(".question")).to_have_text(hostile)
    assert page.locator(".conversation img, .conversation script, .conversation strong").count() == 0
    assert page.evaluate("window.pwned") is False


def test_impossible_parameters_get_a_sentence_and_the_question_stays(visit_page):
    page = visit_page("?text=none&methods=self-extend:group=16,window=64;window:window=512")
    for place, bad, sentence in ((0, "50", "is not a multiple of group"), (1, "0", "window must be between 1 and")):
        slot = page.locator(f"#method-{place}")
        slot.get_by_text("Parameters").click()
        usual = slot.get_by_label(re.compile("^window ")).input_value()
        slot.get_by_label(re.compile("^window ")).fill(bad)
        expect(slot.get_by_text(sentence)).to_be_visible()
        ask(page, "Hello")
        expect(page.locator(".toast-body").get_by_text(sentence).first).to_be_visible()
        assert page.input_value("#ask textarea") == "Hello"
        assert page.locator(".turn").count() == 0 or page.locator(".conversation .note").is_visible()
        slot.get_by_label(re.compile("^window ")).fill(usual)
        expect(slot.get_by_text(sentence)).to_have_count(0)


def test_on_a_phone_answers_stand_under_each_other_and_the_side_is_a_drawer(visit_page):
    page = visit_page(size=PHONE)
    expect(chips(page)).to_have_count(2)
    shoot(page, "phone")
    tops = [cell.bounding_box() for cell in page.locator(".cell").all()]
    assert all(one["y"] + one["height"] <= two["y"] for one, two in pairwise(tops))
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    expect(page.locator("#document")).not_to_be_in_viewport()
    page.click("#side .toggle-button")
    expect(page.locator("#document")).to_be_in_viewport()


def test_the_keyboard_is_enough(visit_page):
    page = visit_page("?text=none&methods=vanilla&longest=8")
    page.focus("#add-method")
    page.keyboard.press("Enter")
    expect(page.locator("#add-method")).to_be_focused()
    page.keyboard.press("Enter")  # the last place: there is none to add any more
    picker = page.locator("#method-2-picker input")
    expect(picker).to_be_focused()
    expect(page.get_by_role("listbox")).to_have_count(0)
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(picker).not_to_have_value("Truncation")
    expect(page.get_by_role("listbox")).to_have_count(0)
    expect(picker).to_be_focused()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Tab")  # out of a list that scrolls
    expect(page.locator("#method-2-remove")).to_be_focused()
    page.keyboard.press("Enter")
    expect(heads(page)).to_have_count(2)
    expect(page.locator("#add-method")).to_be_focused()
    page.focus("#method-1-picker input")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.focus("#method-0-remove")
    page.keyboard.press("Space")
    expect(page.locator("#method-0-picker input")).to_have_value("Truncation")
    expect(heads(page)).to_have_count(1)
    expect(page.locator("#method-line textarea, #method-line input")).to_have_value(re.compile("^truncation"))
    page.focus("#ask textarea")
    page.keyboard.type("Hello")
    page.keyboard.press("Enter")
    expect(cells(page, "done")).to_have_count(1)
    page.focus("#tab-diagnostics-button")
    page.keyboard.press("Enter")
    page.locator("#panel input[name=panel] >> nth=5").wait_for()  # one choice, and its buttons no more six of their own
    page.focus("#panel input:checked")
    page.keyboard.press("ArrowLeft")
    expect(page.locator("#panel input:checked")).to_have_value("attention")
    expect(page).to_have_url(re.compile("panel=attention"))


def test_the_example_is_read_before_gradio_has_come(browser, url, visit_page):
    visit_page()  # the first visitor's model is loaded now
    page = browser.new_page()
    page.set_viewport_size(PHONE)
    page.route("**/assets/*.js", lambda route: None)  # on a line that is slow without end
    page.goto(url, wait_until="commit")
    expect(page.locator("#first-look .cell")).to_have_count(3)
    expect(page.locator("#first-look .cell").first).to_contain_text("This is the failure")
    expect(page.locator("#first-look .costs")).to_contain_text("Next question")
    expect(page.locator("#first-look nav")).to_contain_text("Distance maps")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.close()
