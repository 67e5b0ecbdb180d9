"""What a method refuses, and the sentence that says so."""

from dataclasses import MISSING, FrozenInstanceError, fields

import pytest

from longsight.errors import LongSightError
from longsight.methods import METHODS
from longsight.methods.base import LARGEST
from tests.longsight.tiny import defaults

FIELDS = [(key, spec.name) for key, kind in METHODS.items() for spec in fields(kind)]


def with_value(key, name, value):
    return METHODS[key](**{**vars(defaults(key)), name: value})


def spec_of(key, name):
    return next(spec for spec in fields(METHODS[key]) if spec.name == name)


@pytest.mark.parametrize(("key", "name"), FIELDS)
@pytest.mark.parametrize("value", [True, False, "8", None, [4], 4 + 0j, float("nan")])
def test_what_is_not_a_number_is_refused_with_the_value(key, name, value):
    with pytest.raises(LongSightError) as caught:
        with_value(key, name, value)
    sentence = str(caught.value)
    assert METHODS[key].title in sentence
    assert repr(value) in sentence


@pytest.mark.parametrize(("key", "name"), [pair for pair in FIELDS if spec_of(*pair).type is int])
@pytest.mark.parametrize("value", [4.0, 0.5, 1e300, float("inf")])
def test_a_whole_number_is_not_a_float(key, name, value):
    with pytest.raises(LongSightError, match=f"{name} must be a whole number, but {value!r}".replace("+", r"\+")):
        with_value(key, name, value)


@pytest.mark.parametrize(("key", "name"), FIELDS)
def test_values_outside_the_declared_range_are_refused_with_the_range(key, name):
    metadata = spec_of(key, name).metadata
    low, high = metadata["low"], metadata["high"]
    for value in (low - 2, -(2**70), high + 1, 2**70):
        with pytest.raises(LongSightError, match=f"{name} must be between {low:,} and {high:,}"):
            with_value(key, name, value)


@pytest.mark.parametrize(("key", "name"), FIELDS)
def test_every_field_says_what_it_is(key, name):
    metadata = spec_of(key, name).metadata
    assert metadata["help"].endswith(".")
    assert metadata["unit"]
    assert metadata["low"] < metadata["high"] <= LARGEST


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


@pytest.mark.parametrize("key", ["window", "lambda", "lm-infinite"])
def test_a_window_of_zero_tokens_is_refused(key):
    with pytest.raises(LongSightError, match="window must be between 1 and 1,099,511,627,776, but 0 was given"):
        METHODS[key](window=0)


@pytest.mark.parametrize(
    ("group", "window", "options"), [(3, 4, "3 or 6"), (8, 4, "8"), (5, 9, "5 or 10"), (2, 7, "6 or 8")]
)
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
