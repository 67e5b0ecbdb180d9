"""What people type becomes numbers, or a sentence that quotes it."""

import pytest

from analysis.runs.typed import numbers, span, whole
from longsight.errors import LongSightError


def test_numbers_ranges_and_nothing():
    assert numbers("layers", "0, 2,5") == (0, 2, 5)
    assert numbers("layers", "0-3,7") == (0, 1, 2, 3, 7)
    assert numbers("layers", " ") is numbers("layers", None) is None
    assert span("keys", " 10:20 ") == (10, 20)
    assert span("keys", "") is None
    assert whole("mark", "1,234") == 1234
    assert whole("mark", "") is None


@pytest.mark.parametrize(
    ("read", "text", "said"),
    [
        (numbers, "0,x", "layers must give a whole number, but 'x' was given."),
        (numbers, "0,,1", "layers must give a whole number, but '' was given."),
        (numbers, "5-2", "layers must rise by less than 512, but '5-2' was given."),
        (numbers, "0-99999999999", "must rise by less than 512"),
        (span, "10", "layers must give a range such as 100:200, but '10' was given."),
        (span, "-1:5", "range such as 100:200, but '-1:5'"),
        (whole, "1.5", "must give a whole number, but '1.5'"),
    ],
)
def test_anything_else_is_quoted_in_a_sentence(read, text, said):
    with pytest.raises(LongSightError, match=said):
        read("layers", text)
