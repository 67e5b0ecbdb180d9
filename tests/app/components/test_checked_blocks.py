"""What clients say of clicks is anything at all."""

from types import SimpleNamespace

import pytest

from app.components.checked_blocks import LARGEST, span, told, whole


@pytest.mark.parametrize("data", [None, "x", 5, [], [1], {"position": 1}])
def test_what_is_told_is_a_mapping(data):
    assert told(SimpleNamespace(_data=data)) == (data if isinstance(data, dict) else {})


@pytest.mark.parametrize(
    ("given", "number"),
    [(3, 3), (3.9, 3), (-5, -5), (LARGEST, LARGEST), *((odd, None) for odd in (
        True, None, "3", [], {}, float("nan"), float("inf"), 10**400, 10**30))],
)  # fmt: skip
def test_a_number_is_whole_or_none(given, number):
    assert whole(given) == number


@pytest.mark.parametrize(
    ("given", "text"),
    [([100, 200.7], "100:200"), *((odd, "") for odd in (None, 5, "1:2", [], [1], [1, None], [1, 2, 3], {"a": 1}))],
)
def test_a_span_has_two_ends(given, text):
    assert span(given) == text
