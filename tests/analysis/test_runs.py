"""Methods and tasks as text: what is written is read back, and what makes no sense is refused without a model."""

import argparse
import re

import pytest

from analysis import runs
from analysis.drawing import palette
from analysis.evaluation.tasks import TASKS, read_task
from analysis.evaluation.tasks.passkey import Passkey
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
