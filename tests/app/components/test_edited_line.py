"""The script that edits the line, run by node; the browser tests run it on the page."""

import json
import shutil
import subprocess

import pytest

from app.components import edited_line

NAMES = {"vanilla": ["log_n"], "window": ["window", "log_n"], "composed": ["length", "rule", "log_n"]}
RULE = 'composed:rule="d < 8: d; else: min(i, 9) - j",length=40'


@pytest.fixture(scope="module")
def ask():
    """Call a function of the script with arguments."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("node runs the script; none was found on the path")

    def call(function, *given):
        script = f"globalThis.longsight = {{}}; {edited_line.script(NAMES)}"
        asked = f"console.log(JSON.stringify(({function})({', '.join(map(json.dumps, given))})))"
        done = subprocess.run([node, "-e", f"{script} {asked}"], capture_output=True, text=True, check=True)
        return json.loads(done.stdout)

    return call


def test_marks_inside_of_quotes_part_nothing(ask):
    line = f"window:window=9;{RULE};vanilla"
    assert ask(edited_line.pick(0), line, "vanilla") == f"vanilla;{RULE};vanilla"
    assert ask(edited_line.remove(0), line) == [f"{RULE};vanilla"]
    assert ask(edited_line.remove(1), line) == ["window:window=9;vanilla"]
    assert ask(edited_line.ADD, f"{RULE};vanilla") == [f"{RULE};vanilla;window"]


def test_pickers_hold_what_stands_in_the_line_and_those_that_are_not_shown_what_they_held(ask):
    line = f"window:window=9;{RULE};vanilla"
    held = ["window", "composed", "vanilla"]
    assert ask(edited_line.remove(0), line, *held) == [f"{RULE};vanilla", "composed", "vanilla", "vanilla"]
    assert ask(edited_line.remove(0), "vanilla", *held) == ["vanilla", "vanilla", "composed", "vanilla"]
    assert ask(edited_line.ADD, "window", "window", None, "window") == ["window;vanilla", "window", "vanilla", "window"]


def test_a_list_that_is_only_left_changes_nothing(ask):
    assert ask(f"(...given) => ({edited_line.pick(0)})(...given) ?? 'alone'", "window:window=9", "window") == "alone"
    chosen = edited_line.if_chosen(edited_line.change(0, 1))
    for held, line in (("else: d", "alone"), (None, 'composed:rule="else: d",length=40')):
        call = f"(...given) => {{ longsight.held = given.pop(); return ({chosen})(...given) ?? 'alone'; }}"
        assert ask(call, RULE, "else: d", held) == line


def test_a_number_is_set_beside_a_text_and_a_text_beside_a_number(ask):
    assert ask(edited_line.change(1, 0), f"vanilla;{RULE}", 50) == f"vanilla;{RULE.replace('40', '50')}"
    assert ask(edited_line.change(0, 1), RULE, "else: d") == 'composed:rule="else: d",length=40'
    assert ask(edited_line.change(0, 1), "composed", 'a; "b", c=d') == "composed:rule=\"a; 'b', c=d\""
    assert ask(edited_line.change(0, 0), "window:window=9,log_n=2", None) == "window:log_n=2"
    assert ask(edited_line.change(1, 0), "vanilla;window:window=9", None) == "vanilla;window"


def test_numbers_that_are_left_out_are_pinned_and_let_go_again(ask):
    pin = edited_line.pin(1, "Pin")
    line = 'vanilla;composed:rule="a;b",length=40'
    assert ask(pin, "vanilla;window:log_n=2", "Pin", 9, 3, None) == "vanilla;window:log_n=2,window=9"
    assert ask(pin, "vanilla;window:log_n=2,window=9", "Fit", 9, 3, None) == "vanilla;window"
    assert ask(pin, line, "Pin", 50, "else: d", 7) == f"{line},log_n=7"
    assert ask(pin, "vanilla;composed", "Pin", 50, "else: d", "") == 'vanilla;composed:length=50,rule="else: d"'
    assert ask(pin, line, "Fit", 50, "else: d", 7) == "vanilla;composed"


def test_boxes_show_numbers_as_numbers_and_texts_without_their_quotes(ask):
    line = f"window:window=9,log_n=;{RULE}"
    assert ask(edited_line.boxes(3), line, 1, 2, 3, 4, 5, 6, 7) == [9, 2, 3, 40, "d < 8: d; else: min(i, 9) - j", 6, 7]


def test_a_text_that_is_still_open_takes_the_rest_of_the_line(ask):
    assert ask(edited_line.remove(1), 'vanilla;composed:rule="a;b') == ["vanilla"]


@pytest.mark.parametrize(
    ("function", "line", "value"),
    [
        (edited_line.change(0, 2), "window:window=7;vanilla", None),
        (edited_line.change(3, 0), "vanilla", 1),
        (edited_line.change(0, 1), "", "else: d"),
        (edited_line.change(0, 0), "window:window=7;vanilla", 7),
        (edited_line.change(0, 1), 'composed:rule="else: d"', "else: d"),
    ],
)
def test_what_changes_nothing_does_not_write_the_line_again(ask, function, line, value):
    """A box that the server fills says so while a page opens, with the line as it was: that must not become it."""
    assert ask(f"(...given) => ({function})(...given) === undefined", line, value) is True
