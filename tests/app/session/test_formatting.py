"""Numbers as a visitor reads them."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.session.documents import EXCERPT, Document
from app.session.formatting import duration, of_trained, unseen

SECONDS = {"s": 1, "min": 60, "h": 3600}


@given(
    st.floats(1, 400_000)
    | st.integers(2, 7000).map(lambda n: n - 0.5)
    | st.sampled_from([59.5, 299.6, 600, 3599.5, 7199])
)
def test_no_duration_has_sixty_of_anything_or_is_far_from_the_truth(seconds):
    parts = [(int(number), unit) for number, unit in re.findall(r"(\d+) (s|min|h)\b", duration(seconds))]
    assert " ".join(f"{number} {unit}" for number, unit in parts) == duration(seconds)
    assert all(0 < number < 60 for number, unit in parts if unit != "h")
    assert abs(sum(number * SECONDS[unit] for number, unit in parts) - seconds) <= (0.5 if seconds < 3599.5 else 60)


def test_a_length_says_what_it_is_a_multiple_of():
    assert of_trained(2464, 512) == "2,464 tokens = 4.8 × the trained length"
    assert of_trained(17, 512) == "17 tokens = 0.03 × the trained length"


@pytest.mark.parametrize(
    ("turns", "of", "said"),
    [
        (0, 3, ""), (1, 1, "has not seen the turn above"), (2, 2, "has not seen the 2 turns above"),
        (1, 4, "has not seen 1 of the 4 turns above"),
    ],
)  # fmt: skip
def test_turns_that_were_not_seen_are_counted(turns, of, said):
    assert unseen(turns, of) == said


@given(st.lists(st.sampled_from(["It", "was", "a", "long-forgotten", "Λ", "\n\n", " ", "\t"]), max_size=90))
def test_excerpts_begin_and_end_with_whole_words(words):
    document = Document("text", " ".join(words), 0)
    assert document.head.split() == document.text.split()[: len(document.head.split())]
    assert document.tail.split() == document.text.split()[len(document.text.split()) - len(document.tail.split()) :]
    for part in (document.head, document.tail):
        assert part == part.strip()
        assert len(part) <= EXCERPT
    assert bool(document.head) == bool(document.tail) == bool(document.text.strip())


def test_what_has_no_words_is_cut_where_it_must_be():
    document = Document("text", "福" * 400, 0)
    assert document.head == document.tail == "福" * EXCERPT
