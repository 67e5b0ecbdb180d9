"""What a method refuses, and the sentence that says so."""

from dataclasses import MISSING, FrozenInstanceError, fields

import pytest

from longsight.errors import LongSightError
from longsight.methods import METHODS
from longsight.methods.base import LARGEST
from tests.longsight.tiny import defaults

NO_NUMBERS = (True, False, "8", None, [4], 4 + 0j)
NAN, INFINITE = float("nan"), float("inf")


def refused(spec):
    """Values that a field must not take, each with the sentence that says so."""
    name, low, high = spec.name, spec.metadata["low"], spec.metadata["high"]
    if spec.type is str:
        yield from refused_texts(name, low, high)
        return
    fractional = spec.type is float
    for value in (*NO_NUMBERS, *(() if fractional else (4.0, 0.5, 1e300, INFINITE, NAN))):
        yield value, f"{name} must be {'a number' if fractional else 'a whole number'}, but {value!r} was given."
    below = low - 2 if spec.default == low - 1 else low - 1  # just below the range some fields mean "the usual"
    for value in (below, -(2**70), high + 1, 2**70, *((INFINITE, NAN) if fractional else ())):
        yield value, f"{name} must be between {low:,} and {high:,}, but {value:,} was given."


def refused_texts(name, low, high):
    for value in (8, 0.5, None, True, ["x"]):
        yield value, f"{name} must be a text, but {value!r} was given."
    for value in (*["x" * (low - 1)] * (low > 0), "x" * (high + 1)):
        yield value, f"{name} must have between {low:,} and {high:,} characters, but has {len(value):,}."
    for character in '"\n\t\x00\u2028':
        sentence = (
            f"{name} must have neither double quotes nor control characters, but {character!r} is its character 3."
        )
        yield f"ab{character}", sentence


@pytest.mark.parametrize("key", METHODS)
def test_a_field_takes_what_is_of_its_kind_and_inside_its_range_and_names_any_other(key):
    for spec in fields(METHODS[key]):
        for value, sentence in refused(spec):
            with pytest.raises(LongSightError) as caught:
                METHODS[key](**{**vars(defaults(key)), spec.name: value})
            assert str(caught.value) == f"{METHODS[key].title}: {sentence}"


@pytest.mark.parametrize("key", METHODS)
def test_every_field_says_what_it_is(key):
    for spec in fields(METHODS[key]):
        assert spec.metadata["help"].endswith("."), spec.name
        assert spec.metadata["unit"], spec.name
        assert spec.metadata["low"] < spec.metadata["high"] <= LARGEST, spec.name


@pytest.mark.parametrize("key", METHODS)
def test_every_method_introduces_itself(key):
    kind = METHODS[key]
    assert kind.key == key
    assert kind.__doc__
    for text in (kind.title, kind.paper, kind.summary, kind.sees, kind.tells):
        assert text
        assert text.strip() == text
    method = defaults(key)
    assert method.describe().startswith(kind.title)
    told = {spec.name: getattr(method, spec.name) for spec in fields(method) if spec.default is MISSING}
    assert all(f"{name}={value}" in method.describe() for name, value in told.items())


@pytest.mark.parametrize("key", METHODS)
def test_a_method_is_a_frozen_value(key):
    method = defaults(key)
    assert method == METHODS[key](**vars(method))
    assert hash(method) == hash(METHODS[key](**vars(method)))
    for name in [spec.name for spec in fields(method)]:
        with pytest.raises(FrozenInstanceError):
            setattr(method, name, 1)


def test_titles_and_keys_are_unique():
    assert len({kind.title for kind in METHODS.values()}) == len(METHODS)


def test_log_n_of_one_is_refused_since_its_logarithm_is_zero():
    with pytest.raises(LongSightError, match=r"^Vanilla: log_n = 1 would divide by ln\(1\) = 0; choose 0 \(off\) or"):
        METHODS["vanilla"](log_n=1)


@pytest.mark.parametrize(("group", "window", "options"), [(3, 4, "3 or 6"), (8, 4, "8")])
def test_self_extend_refuses_a_window_that_group_does_not_divide_and_offers_its_neighbours(group, window, options):
    with pytest.raises(
        LongSightError,
        match=f"window = {window} is not a multiple of group = {group}; choose window = {options}.",
    ):
        METHODS["self-extend"](group=group, window=window)


def test_lm_infinite_refuses_to_insert_beyond_its_ceiling():
    with pytest.raises(LongSightError, match="insert_at = 65 lies beyond ceiling = 64; choose at most the ceiling"):
        METHODS["lm-infinite"](window=64, insert_at=65)


@pytest.mark.parametrize(
    ("given", "ceiling", "insert_at"),
    [
        ({"window": 64}, 64, 32),
        ({"window": 64, "ceiling": 40}, 40, 20),
        ({"window": 64, "insert_at": 0}, 64, 0),
        ({"window": 64, "ceiling": 7, "insert_at": 7}, 7, 7),
    ],
)
def test_lm_infinite_left_to_itself_takes_the_authors_choices(given, ceiling, insert_at):
    method = METHODS["lm-infinite"](**given)
    assert (method.ceiling, method.insert_at) == (ceiling, insert_at)
    assert method == METHODS["lm-infinite"](
        window=64, starting=10, ceiling=ceiling, top_k=0, from_layer=4, insert_at=insert_at
    )
