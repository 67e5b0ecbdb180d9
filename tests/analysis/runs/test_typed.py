"""What people type becomes numbers, or a sentence that quotes it."""

import pytest

from analysis.runs.typed import count, numbers, place, span, whole
from longsight.errors import LongSightError


def test_numbers_ranges_and_nothing():
    assert numbers("layers", "0, 2,5") == (0, 2, 5)
    assert numbers("layers", "0-3,7") == (0, 1, 2, 3, 7)
    assert numbers("layers", " ") is numbers("layers", None) is None
    assert span("keys", " 10:20 ") == (10, 20)
    assert span("keys", "") is None
    assert whole("mark", "1,234") == 1234
    assert whole("mark", "") is None
    assert place("enlarged", " 2.5 ") == (2, 5)
    assert place("enlarged", "") is None
    with pytest.raises(LongSightError, match=r"^enlarged must give a layer and a head, such as 2.5, but '2' was given"):
        place("enlarged", "2")


def test_numbers_of_tokens_are_read_as_people_write_them():
    written = {"10M": 10_000_000, "512k": 512_000, " 2,000,000": 2_000_000, "1.5m": 1_500_000, "7": 7}
    assert {text: count("--tokens", text) for text in written} == written


@pytest.mark.parametrize(
    ("read", "text", "said"),
    [
        (numbers, "0,x", "layers must give a whole number, but 'x' was given."),
        (numbers, "0,,1", "layers must give numbers with one comma between them, but '0,,1' was given."),
        (numbers, "5-2", "layers must rise by less than 512, but '5-2' was given."),
        (numbers, "0-99999999999", "must rise by less than 512"),
        (span, "10", "layers must give a range such as 100:200, but '10' was given."),
        (span, "-1:5", "range such as 100:200, but '-1:5'"),
        (count, "many", "layers must give a number of tokens, such as 10M or 512k, but 'many' was given."),
        (count, "0", "must give a number of tokens"),
        (count, "-5k", "must give a number of tokens"),
        (whole, "1.5", "must give a whole number, but '1.5'"),
    ],
)
def test_anything_else_is_quoted_in_a_sentence(read, text, said):
    with pytest.raises(LongSightError, match=said):
        read("layers", text)
