"""Methods and tasks as text: what is written is read back, and what makes no sense is refused without a model."""

import argparse
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis import runs
from analysis.drawing import palette
from analysis.evaluation.tasks import TASKS, read_task
from analysis.evaluation.tasks.passkey import Passkey
from analysis.runs import typed
from longsight.errors import LongSightError
from longsight.methods import METHODS
from tests.longsight import tiny


@pytest.fixture(scope="module")
def model():
    return tiny.model()


@pytest.mark.parametrize("task", [*(kind() for kind in TASKS.values()), Passkey(kind="several", keys=3, depths=2)])
def test_a_task_is_read_back_from_its_text(task):
    assert read_task(task.describe()) == task


def test_only_what_was_chosen_is_written():
    assert Passkey(filler="prose", depths=3).describe() == "passkey:filler=prose,depths=3"


@pytest.mark.parametrize("key", METHODS)
def test_a_method_is_read_back_from_its_text(model, key):
    for method in tiny.spread(key, 8):
        line = runs.write(model, [method], 500)
        assert runs.method_parts(line) == [line]
        assert runs.read_one(model, line, 500) == method


@pytest.mark.parametrize(("line", "parts"), [
    ("vanilla,window;self-extend:group=4,window=16", ["vanilla", "window", "self-extend:group=4,window=16"]),
    ("vanilla;vanilla", ["vanilla"]),
    (" vanilla ; window:window=3 ;", ["vanilla", "window:window=3"]),
    ("all", list(METHODS)),
    ('composed:rule="d < 4: d; j == 1: 4",length=9;window', ['composed:rule="d < 4: d; j == 1: 4",length=9', "window"]),
    ("all;truncation:length=9", [*METHODS, "truncation:length=9"]),
])  # fmt: skip
def test_a_typed_line_is_one_text_for_each_method(line, parts):
    assert runs.method_parts(line) == parts


@pytest.mark.parametrize(("text", "said"), [
    ("passkey:depths=x", "passkey: depths must be a number, but 'x' was given."),
    ("passkey:depths=2.5", "Passkey: depths must be a whole number, but 2.5 was given."),
    ("passkey:deep=1", "Passkey has no option 'deep'; its options are kind, filler, depths, keys, passages, prompt."),
    ("", "There is no task ''; there are perplexity, "),
])  # fmt: skip
def test_a_task_that_makes_no_sense_is_refused(text, said):
    with pytest.raises(LongSightError) as caught:
        read_task(text)
    assert str(caught.value).startswith(said)


MARKS = st.text("; :,=dij<0123456789()\"'", max_size=30)
TEXTS = MARKS.map(lambda text: text.replace('"', ""))


@settings(deadline=None)
@given(st.lists(st.dictionaries(st.sampled_from("abc"), st.one_of(TEXTS, st.integers()))))
def test_what_is_written_in_quotes_is_cut_where_it_was_joined(choices):
    parts = [f"key:{','.join(f'{name}={typed.quoted(value)}' for name, value in values.items())}" for values in choices]
    assert runs.parts(";".join(parts)) == parts
    for part, values in zip(parts, choices, strict=True):
        assert typed.named(part) == ("key", {name: typed.quoted(value) for name, value in values.items()})


@settings(deadline=None)
@given(MARKS)
def test_a_line_of_any_marks_is_cut_unless_a_quote_is_open(line):
    if line.count('"') % 2:
        with pytest.raises(LongSightError, match="A text in double quotes is not closed"):
            runs.parts(line)
    else:
        parts = runs.parts(line)
        assert all(parts)
        assert runs.parts(";".join(parts)) == parts


@pytest.mark.parametrize(("line", "said"), [
    ('composed:rule="d < 8: d;vanilla', "A text in double quotes is not closed in 'composed:rule=\"d < 8: d;vanilla';"),
    ("composed:rule=8", "composed: rule must be a text in double quotes, but '8' was given."),
    ("composed:rule=else", "composed: rule must be a text in double quotes, but 'else' was given."),
    ('composed:rule="else: d"x', "composed: rule must be a text in double quotes, but '\"else: d\"x' was given."),
    ('window:window="8"', "window: window must be a number, but '\"8\"' was given."),
    ('composed:rule="else: x"', "Composed: 'x' at character 7 of the rule: there is no 'x'"),
])  # fmt: skip
def test_texts_and_numbers_in_each_other_s_place_are_refused(model, line, said):
    with pytest.raises(LongSightError) as caught:
        runs.read(model, line, 500)
    assert str(caught.value).startswith(said)


def test_parameters_of_another_model_are_refused_where_they_are_read(model):
    (read,) = runs.read(model, 'duo:heads="10 01 1"', 100)
    assert read.heads == "10 01 1"
    with pytest.raises(LongSightError, match="heads has words for 2 layers, but the model has 3"):
        runs.read(model, 'duo:heads="10 01"', 100)


def test_a_rule_is_shown_in_a_label_only_where_it_is_short():
    def labels(*rules):
        return [run.label for run in runs.make_runs([METHODS["composed"](rule=rule) for rule in rules])]

    long = "d < 9: d; d < 20: 9; j < 3: 10"
    assert labels("else: d", "d < 9: d") == ["Composed rule=else: d", "Composed rule=d < 9: d"]
    assert labels(long, f"{long} + 1") == ["Composed 1", "Composed 2"]
    assert labels(long) == ["Composed"]


def extended(*pairs):
    return [METHODS["self-extend"](group=group, window=window) for group, window in pairs]


@pytest.mark.parametrize(("methods", "labels"), [
    ([METHODS["vanilla"](), *extended((4, 64))], ["Vanilla", "SelfExtend"]),
    (extended((4, 64), (16, 64)), ["SelfExtend G=4", "SelfExtend G=16"]),
    (extended((4, 64), (4, 128), (16, 64)), ["SelfExtend G=4, W=64", "SelfExtend W=128", "SelfExtend G=16"]),
    (extended((4, 64), (4, 64)), ["SelfExtend 1", "SelfExtend 2"]),
])  # fmt: skip
def test_a_run_s_label_is_the_shortest_text_that_tells_it_from_the_others(methods, labels):
    assert [run.label for run in runs.make_runs(methods)] == labels


def test_runs_of_one_method_have_ids_and_looks_of_their_own():
    made = runs.make_runs([*extended((2, 64), (4, 64), (8, 64)), METHODS["window"](window=8)])
    assert [run.id for run in made] == ["self-extend", "self-extend-2", "self-extend-3", "window"]
    assert len({run.colour for run in made}) == len({(run.colour, run.dash) for run in made}) == 4


def test_no_two_methods_share_a_colour_however_often_they_stand_side_by_side():
    looks = [palette.colour(key, again) for key in METHODS for again in range(palette.MOST_ALIKE)]
    assert len(set(looks)) == len(looks)
    assert all(re.fullmatch("#[0-9a-f]{6}", look) for look in looks)


def test_a_command_line_says_what_is_wrong_with_its_methods(capsys):
    parser = argparse.ArgumentParser(prog="some")
    parser.add_argument("--methods", type=runs.methods_argument)
    assert parser.parse_args(["--methods", "vanilla;window:window=9;window"]).methods == [
        "vanilla", "window:window=9", "window",
    ]  # fmt: skip
    with pytest.raises(SystemExit):
        parser.parse_args(["--methods", "window:size=9"])
    assert "Window has no parameter 'size'; its parameters are log_n, window." in capsys.readouterr().err
