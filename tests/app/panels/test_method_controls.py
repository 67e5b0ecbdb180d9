"""Controls are made from the fields of the methods; whatever comes back over HTTP is checked again."""

import gradio as gr
import pytest

from app.panels.method_controls import FIT, PIN, build_method_controls, controlled
from app.panels.methods import MethodCallbacks
from app.session import document_loading, model_catalogue, side_by_side
from app.session.documents import at_once
from app.session.sessions import Session
from app.session.side_by_side import MOST_METHODS
from longsight.errors import LongSightError
from longsight.methods import METHODS
from longsight.progress import finish
from tests.app.conftest import save_model


def values_of(model, methods, length):
    """What the page sends when these methods are shown."""
    return [side_by_side.write(model, methods, length)]


@pytest.fixture
def controls():
    with gr.Blocks():
        return build_method_controls()


@pytest.fixture
def callbacks(controls):
    return MethodCallbacks(controls)


def shown_numbers(slot, updates):
    """What the visible numbers of a slot are told to be."""
    told = [updates[number].constructor_args for number in slot.numbers if number in updates]
    return [number for number in told if number["visible"]]


@pytest.mark.parametrize("key", METHODS)
def test_every_method_survives_the_way_through_its_controls_and_through_the_address(model, controls, key):
    method = model.method(key, 500)
    updates = controls.show(model, side_by_side.read_each(model, key, 500), 500)
    numbers = shown_numbers(controls.slots[0], updates)
    specs_of = controlled(method)
    assert [number["label"].split()[0] for number in numbers] == [spec.name for spec in specs_of]
    assert [number["info"] for number in numbers] == [spec.metadata["help"] for spec in specs_of]
    assert [number["value"] for number in numbers] == [getattr(method, spec.name) for spec in specs_of]
    assert updates[controls.slots[0].picker].value == key
    assert all(len(updates[slot.picker].choices) == len(METHODS) for slot in controls.slots)
    assert updates[controls.draft] == updates[controls.line] == key
    assert side_by_side.read(model, updates[controls.line], 500) == [method]
    fixed = side_by_side.pinned(model, [method], 500)
    assert side_by_side.read(model, side_by_side.line_of(fixed), 9_999) == [method]
    assert fixed[0].fitted == ()


def test_set_parameters_stand_in_the_address_and_come_back(model):
    method = METHODS["lm-infinite"](window=24, starting=3, top_k=2, from_layer=1)
    line = side_by_side.write(model, [METHODS["vanilla"](), method], 500)
    assert line == "vanilla;lm-infinite:window=24,starting=3,ceiling=24,top_k=2,from_layer=1,insert_at=12"
    assert side_by_side.read(model, line, 9_999) == [METHODS["vanilla"](), method]


def test_one_method_stands_beside_itself_under_labels_and_colours_that_tell_the_two_apart(model, controls):
    small, large = (METHODS["self-extend"](group=group, window=16) for group in (4, 16))
    updates = controls.show(model, side_by_side.pinned(model, [small, large], 500), 500)
    assert updates[controls.line] == "self-extend:group=4,window=16;self-extend:group=16,window=16"
    heads = [updates[slot.head] for slot in controls.slots[:2]]
    assert [f"<b>SelfExtend G={group}</b>" in head for group, head in zip((4, 16), heads, strict=True)] == [True, True]
    assert len({head.partition("--method:")[2][:7] for head in heads}) == 2
    assert side_by_side.read(model, updates[controls.draft], 500) == [small, large]


def test_two_equal_methods_are_told_apart_by_a_number(model, controls):
    updates = controls.show(model, side_by_side.pinned(model, [METHODS["window"](window=7)] * 2, 500), 500)
    assert [f"<b>Window {number}</b>" in updates[controls.slots[number - 1].head] for number in (1, 2)] == [True, True]
    assert updates[controls.line] == "window:window=7;window:window=7"


def test_there_is_always_one_method_and_room_for_another_until_all_places_are_taken(model, controls):
    for count in range(1, MOST_METHODS + 1):
        updates = controls.show(model, side_by_side.read_each(model, ";".join(["vanilla"] * count), 500), 500)
        visible = [updates[slot.group].constructor_args["visible"] for slot in controls.slots]
        assert visible == [True] * count + [False] * (MOST_METHODS - count)
        assert updates[controls.add].constructor_args["visible"] == (count < MOST_METHODS)
        assert updates[controls.slots[0].remove].constructor_args["visible"] == (count > 1)


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("self-extend:group=16,window=50", "window = 50 is not a multiple of group = 16; choose window = 48 or 64"),
        ("window:window=0", "window must be between 1 and"),
        ("window:window=abc", "window: window must be a number, but 'abc' was given"),
        ("window:window=", "window: window must be a number, but nothing was given"),
        ("window:window=1.5", "window must be a whole number, but 1.5"),
        ("window:window=1e999", "must be a whole number, but inf"),
        ("window:width=3", "Window has no parameter 'width'; its parameters are"),
        ("", "0 methods were chosen; 1 to 3 can be shown side by side"),
        ("vanilla;" * 4, "4 methods were chosen"),
        ("<script>", "no method '<script>'"),
    ],
)
def test_impossible_lines_are_refused_with_what_would_work(model, line, sentence):
    with pytest.raises(LongSightError, match=sentence):
        side_by_side.read(model, line, 500)


def test_what_is_left_out_follows_the_text_and_what_is_set_stays(model):
    short, long = model.method("self-extend", 64), model.method("self-extend", 5_000)
    assert short.group != long.group
    assert [side_by_side.read(model, "self-extend", length) for length in (64, 5_000)] == [[short], [long]]
    line = "self-extend:group=4,window=16"
    assert side_by_side.read(model, line, 64) == side_by_side.read(model, line, 5_000)


@pytest.mark.parametrize("key", METHODS)
def test_what_follows_the_text_is_what_other_lengths_change(model, key):
    """At lengths that were not looked at to find out."""
    found = [model.method(key, length) for length in (40, 77, 100, 333, 1_500, 20_000)]
    changed = {name for other in found for name in vars(other) if getattr(other, name) != getattr(found[0], name)}
    assert changed <= set(side_by_side.following(model, key))


def test_the_head_says_what_was_fitted_to_what_and_the_button_pins_it(model, controls, callbacks):
    session = Session()
    group, window = (getattr(model.method("self-extend", 500), name) for name in ("group", "window"))
    told = controls.say(model, side_by_side.read_each(model, "self-extend;vanilla", 500), 500)
    heads, pins = [told[head] for head in controls.heads[:2]], [told[slot.pin] for slot in controls.slots[:2]]
    assert f"Fitted to 500 tokens: group {group}, window {window}." in heads[0]
    assert "Fitted" not in heads[1]
    assert [(pin.value, pin.visible) for pin in pins] == [(PIN, True), (FIT, False)]
    told = callbacks.check("tiny", session, "self-extend:group=4,window=16")
    assert "Fitted" not in told[controls.heads[0]]
    assert told[controls.slots[0].pin].value == FIT
    told = callbacks.check("tiny", session, "self-extend:window=16")
    assert f"Fitted to {model.train_length:,} tokens: group " in told[controls.heads[0]]


def test_picking_another_method_keeps_the_parameters_of_those_that_stay(model, controls, callbacks):
    updates = callbacks.lay_out("tiny", Session(), "vanilla;window:window=7")
    edited = {controls.draft, controls.line, *(slot.picker for slot in controls.slots)}
    assert not edited & updates.keys()  # in the browser, and perhaps again meanwhile
    assert shown_numbers(controls.slots[1], updates)[0]["value"] == 7


def test_a_method_left_with_impossible_parameters_is_shown_with_its_usual_ones(model, controls, callbacks, monkeypatch):
    warned = []
    monkeypatch.setattr(gr, "Warning", lambda text, title: warned.append(text))
    updates = callbacks.lay_out("tiny", Session(), "window:window=0;vanilla")
    assert updates[controls.draft] == "window;vanilla"
    assert shown_numbers(controls.slots[0], updates)[0]["value"] == 32
    assert "window must be between 1" in warned[0]


def test_an_impossible_parameter_says_so_at_the_head_of_its_method_and_leaves_the_address(model, controls, callbacks):
    updates = callbacks.check("tiny", Session(), "window:window=0;vanilla")
    window, vanilla = (updates[slot.head] for slot in controls.slots[:2])
    assert "window must be between 1 and" in window
    assert 'role="alert"' in window
    assert "Distances stay familiar up to 32 tokens" in vanilla
    assert controls.line not in updates


def test_changing_a_parameter_rewrites_the_address_and_the_head_but_not_what_is_being_typed(model, controls, callbacks):
    updates = callbacks.check("tiny", Session(), "window:window=7")
    assert updates[controls.line] == "window:window=7"
    assert "Distances stay familiar at any length" in updates[controls.slots[0].head]
    assert not {controls.draft, *controls.slots[0].numbers} & updates.keys()


def test_another_model_gets_the_parameters_that_suit_it(model, controls, callbacks):
    session = Session()
    updates = callbacks.suit("tiny", session, "window:window=7")
    assert shown_numbers(controls.slots[0], updates)[0]["value"] == model.train_length
    assert session.fitted_length == model.train_length
    assert callbacks.suit("tiny", session, "window:window=7") == gr.skip(), "the picker was only left"


def test_a_text_of_the_same_length_leaves_alone_what_is_being_typed(model, callbacks):
    session = Session()
    session.fitted_length = model.train_length
    assert callbacks.refit("tiny", session, "window:window=0") == gr.skip()


def test_another_model_that_counts_as_many_tokens_keeps_the_fit_until_the_text_is_gone(
    model, controls, callbacks, monkeypatch, tmp_path, session, document
):
    """No length changes then, so nobody would ask for another fit."""
    save_model(tmp_path / "other", seed=2)
    monkeypatch.setenv(model_catalogue.NAMED, str(tmp_path / "other"))
    finish(document_loading.take_steps(session, model, at_once(lambda: document)))
    session.fitted_length = length = document_loading.target_length(session, model)
    line, other = "vanilla;self-extend", model_catalogue.model("other")
    for ask in (callbacks.suit, callbacks.check):  # before the text is counted
        told = ask("other", session, line)
        vanilla, extended = (told[head] for head in controls.heads[:2])
        assert f"This text needs {length:,}." in vanilla
        assert f"Fitted to {length:,} tokens: group " in extended
    finish(document_loading.tokens_steps(session, other))
    assert document_loading.target_length(session, other) == length
    assert callbacks.refit("other", session, line) == gr.skip()
    session.take(None)
    told = callbacks.refit("other", session, line)
    vanilla, extended = (told[head] for head in controls.heads[:2])
    assert "This text needs" not in vanilla
    assert f"Fitted to {other.train_length:,} tokens: " in extended


def test_a_page_that_is_still_being_opened_is_left_alone(model, callbacks):
    assert callbacks.refit("tiny", Session(), "") == gr.skip()


def test_parameters_follow_a_text_of_another_length(model, controls, callbacks, monkeypatch):
    session = Session()
    session.fitted_length = 16 * model.train_length
    updates = callbacks.refit("tiny", session, "self-extend;window:window=7")
    assert not {controls.draft, controls.line, *(slot.picker for slot in controls.slots)} & updates.keys()
    after = METHODS["self-extend"].for_model(model.train_length, model.train_length)
    numbers = shown_numbers(controls.slots[0], updates)
    assert [number["value"] for number in numbers][:2] == [after.group, after.window]
    session.fitted_length = 16 * model.train_length
    monkeypatch.setattr(gr, "Warning", lambda text, title: None)
    updates = callbacks.refit("tiny", session, "self-extend;window:window=0")
    assert updates[controls.draft] == updates[controls.line] == "self-extend;window"
