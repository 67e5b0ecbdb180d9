"""Methods and tasks as text: what is written is read back, and what makes no sense is refused without a model."""

import pytest

from analysis import specs
from analysis.tasks import TASKS
from analysis.tasks.passkey import Passkey
from engine.errors import LongSightError
from engine.methods import METHODS
from tests.engine import tiny


@pytest.fixture(scope="module")
def model():
    return tiny.model()


@pytest.mark.parametrize("task", [*(kind() for kind in TASKS.values()), Passkey(kind="several", keys=3, depths=2)])
def test_a_task_is_read_back_from_its_text(task):
    assert specs.read_task(task.describe()) == task


def test_only_what_was_chosen_is_written():
    assert Passkey(filler="prose", depths=3).describe() == "passkey:filler=prose,depths=3"


@pytest.mark.parametrize("key", METHODS)
def test_a_method_is_read_back_from_its_text(model, key):
    for method in tiny.spread(key, 8):
        line = specs.write(model, [method], 500)
        assert specs.method_parts(line) == [line]
        assert specs.read_one(model, line, 500) == method


@pytest.mark.parametrize(("line", "parts"), [
    ("vanilla,window;self-extend:group=4,window=16", ["vanilla", "window", "self-extend:group=4,window=16"]),
    ("vanilla;vanilla", ["vanilla"]),
    (" vanilla ; window:window=3 ;", ["vanilla", "window:window=3"]),
    ("all", list(METHODS)),
    ("all;truncation:length=9", [*METHODS, "truncation:length=9"]),
])  # fmt: skip
def test_a_typed_line_is_one_text_for_each_method(line, parts):
    assert specs.method_parts(line) == parts


@pytest.mark.parametrize(("text", "said"), [
    ("passkey:depths=x", "passkey: depths must be a number, but 'x' was given."),
    ("passkey:depths=2.5", "Passkey: depths must be a whole number, but 2.5 was given."),
    ("passkey:deep=1", "Passkey has no option 'deep'; its options are kind, filler, depths, keys, passages."),
    ("", "There is no task ''; there are passkey, "),
])  # fmt: skip
def test_a_task_that_makes_no_sense_is_refused(text, said):
    with pytest.raises(LongSightError) as caught:
        specs.read_task(text)
    assert str(caught.value).startswith(said)
