"""Controls are made from the fields of the methods; whatever comes back over HTTP is checked again."""

from dataclasses import replace

import gradio as gr
import pytest

from app.panels import method_controls, methods
from app.panels.method_controls import MOST_FIELDS, controlled, read_values, show
from app.session import side_by_side
from app.session.sessions import Session
from app.session.side_by_side import MOST_METHODS
from longsight.errors import LongSightError
from longsight.methods import METHODS


def values_of(model, methods, length, keys=None):
    """What the page sends when these methods are shown (and `keys` are picked)."""
    numbers = []
    for method in methods:
        own = [getattr(method, spec.name) for spec in controlled(method)]
        numbers += own + [None] * (MOST_FIELDS - len(own))
    numbers += [None] * (MOST_METHODS * MOST_FIELDS - len(numbers))
    return [keys or [method.key for method in methods], side_by_side.write(model, methods, length), *numbers]


def shown_numbers(updates):
    """What the visible numbers among these updates are told to be."""
    told = [update.constructor_args for update in updates if isinstance(update, gr.Number)]
    return [number for number in told if number["visible"]]


@pytest.mark.parametrize("key", METHODS)
def test_every_method_survives_the_way_through_its_controls_and_through_the_address(model, key):
    method = model.method(key, 500)
    updates = show([method], model.train_length)
    controls = shown_numbers(updates)
    specs_of = controlled(method)
    assert [control["label"].split()[0] for control in controls] == [spec.name for spec in specs_of]
    assert [control["info"] for control in controls] == [spec.metadata["help"] for spec in specs_of]
    assert [control["value"] for control in controls] == [getattr(method, spec.name) for spec in specs_of]
    assert read_values(model, values_of(model, [method], 500), 500) == [method]
    assert side_by_side.read(model, side_by_side.write(model, [method], 500), 500) == [method]


def test_set_parameters_stand_in_the_address_and_come_back(model):
    method = METHODS["lm-infinite"](window=24, starting=3, top_k=2, from_layer=1)
    line = side_by_side.write(model, [METHODS["vanilla"](), method], 500)
    assert line == "vanilla;lm-infinite:window=24,starting=3,ceiling=24,top_k=2,from_layer=1,insert_at=12"
    assert side_by_side.read(model, line, 9_999) == [METHODS["vanilla"](), method]


def test_numbers_belong_to_the_methods_that_are_shown_not_to_those_just_picked(model):
    window, streaming = METHODS["window"](window=7), model.method("self-extend", 500)
    values = values_of(model, [window], 500, keys=["self-extend", "window"])
    assert read_values(model, values, 500) == [streaming, window]


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ([[], ""], "0 methods were chosen; 1 to 3 can be shown side by side"),
        ([None, None], "0 methods were chosen"),
        ([["vanilla"] * 4, ""], "4 methods were chosen"),
        ([["magic"], ""], "no method 'magic'"),
    ],
)
def test_impossible_choices_are_refused_with_what_would_work(model, values, sentence):
    with pytest.raises(LongSightError, match=sentence):
        read_values(model, [*values, *[None] * (MOST_METHODS * MOST_FIELDS)], 500)


def test_too_few_numbers_from_a_raw_call_are_refused(model):
    with pytest.raises(LongSightError, match=r"2 parameter values were given; \d+ are expected"):
        read_values(model, [["vanilla"], "vanilla", 1, 2], 500)


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("self-extend:group=16,window=50", "window = 50 is not a multiple of group = 16; choose window = 48 or 64"),
        ("window:window=0", "window must be between 1 and"),
        ("window:window=abc", "window: window must be a number, but 'abc' was given"),
        ("window:window=1.5", "window must be a whole number, but 1.5"),
        ("window:window=1e999", "must be a whole number, but inf"),
        ("window:width=3", "Window has no parameter 'width'; its parameters are"),
        ("", "0 methods were chosen"),
        ("vanilla;" * 4, "4 methods were chosen"),
        ("<script>", "no method '<script>'"),
    ],
)
def test_impossible_lines_are_refused_with_what_would_work(model, line, sentence):
    with pytest.raises(LongSightError, match=sentence):
        side_by_side.read(model, line, 500)


def test_an_emptied_number_is_refused_by_the_methods_own_sentence(model):
    values = values_of(model, [METHODS["window"](window=7)], 500)
    names = [spec.name for spec in controlled(METHODS["window"])]
    values[2 + names.index("window")] = None
    with pytest.raises(LongSightError, match="window must be a whole number, but None was given"):
        read_values(model, values, 500)


def test_defaults_follow_the_text_and_what_was_set_stays(model):
    short, long = model.method("self-extend", 64), model.method("self-extend", 5_000)
    assert short != long
    mine = replace(short, window=short.group * 2)
    assert method_controls.follow(model, [short], 64, 5_000) == [long]
    assert method_controls.follow(model, [mine], 64, 5_000) == [mine]


def test_picking_another_method_keeps_the_parameters_of_those_that_stay(model):
    mine = METHODS["window"](window=7)
    updates = methods.arrange("tiny", Session(), *values_of(model, [mine], 32, keys=["vanilla", "window"]))
    assert updates[-1] == "vanilla;window:window=7"


def test_a_method_left_with_impossible_parameters_is_shown_with_its_usual_ones(model, monkeypatch):
    warned = []
    monkeypatch.setattr(methods.gr, "Warning", lambda text, title: warned.append(text))
    values = values_of(model, [METHODS["window"](window=7)], 32, keys=["window", "vanilla"])
    names = [spec.name for spec in controlled(METHODS["window"])]
    values[2 + names.index("window")] = 0
    updates = methods.arrange("tiny", Session(), *values)
    assert updates[-1] == "window:window=32;vanilla"
    assert "window must be between 1" in warned[0]


def test_an_impossible_parameter_says_so_at_the_head_of_its_method_and_leaves_the_address(model):
    values = values_of(model, [METHODS["window"](window=7), METHODS["vanilla"]()], 32)
    values[2] = 0
    window, vanilla, _, line = methods.tune("tiny", Session(), *values)
    assert "window must be between 1 and" in window
    assert 'role="alert"' in window
    assert "Distances stay familiar up to 32 tokens" in vanilla
    assert line == gr.skip()


def test_changing_a_parameter_rewrites_the_address_and_the_title(model):
    updates = methods.tune("tiny", Session(), *values_of(model, [METHODS["window"](window=7)], 32))
    assert updates[-1] == "window:window=7"
    assert "Distances stay familiar at any length" in updates[0]


def test_another_model_gets_the_parameters_that_suit_it(model):
    session = Session()
    updates = methods.suit("tiny", session, *values_of(model, [METHODS["window"](window=7)], 32))
    assert next(iter(shown_numbers(updates)))["value"] == model.train_length
    assert session.fitted_length == model.train_length


def test_a_text_of_the_same_length_leaves_alone_what_is_being_typed(model):
    session = Session()
    session.fitted_length = model.train_length
    values = values_of(model, [METHODS["window"](window=7)], 32)
    values[2] = 0  # impossible, and not yet what the visitor means
    assert not any(isinstance(update, gr.Number) for update in methods.refit("tiny", session, None, *values))


def test_parameters_follow_a_text_of_another_length(model):
    session = Session()
    session.fitted_length = 16 * model.train_length
    before = METHODS["self-extend"].for_model(model.train_length, session.fitted_length)
    updates = methods.refit("tiny", session, None, *values_of(model, [before], session.fitted_length))
    after = METHODS["self-extend"].for_model(model.train_length, model.train_length)
    assert [number["value"] for number in shown_numbers(updates)][:2] == [after.group, after.window]
