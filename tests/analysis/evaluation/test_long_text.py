"""One text after the other and again, in pieces, from any place on."""

from itertools import islice

import numpy as np
import pytest

from analysis.evaluation.endless.long_text import LongText, TextPiece, TextPlace, piece_steps, text_of_file
from longsight.errors import LongSightError
from longsight.progress import Progress


def text(name, first, last):
    def load():
        yield Progress(0, 1, "tokenizing")
        return np.arange(first, last)

    return LongText(name, last - first, load)


TEXTS = [text("a", 0, 5), text("b", 5, 12), text("c", 12, 13)]


def pieces(place, count, chunk=3, lap=None, texts=TEXTS):
    steps = piece_steps(texts, place, chunk, lap)
    return list(islice((step for step in steps if isinstance(step, TextPiece)), count))


@pytest.mark.parametrize(("lap", "length"), [(None, 13), (13, 13), (99, 13), (8, 8), (5, 5), (2, 2)])
def test_laps_follow_each_other_with_the_same_tokens(lap, length):
    found = pieces(TextPlace(), 40, lap=lap)
    ids = np.concatenate([piece.ids for piece in found])
    assert ids.tolist() == (list(range(length)) * len(ids))[: len(ids)]
    laps = np.concatenate([np.full(len(piece.ids), piece.place.lap) for piece in found])
    assert laps.tolist() == [at // length for at in range(len(ids))]


@pytest.mark.parametrize("lap", [None, 8, 5])
def test_it_goes_on_from_any_place_as_if_nothing_had_been(lap):
    whole = pieces(TextPlace(), 20, lap=lap)
    for n in range(10):
        rest = pieces(whole[n].then, 9, lap=lap)
        assert [(p.ids.tolist(), p.place, p.then) for p in rest] == [
            (p.ids.tolist(), p.place, p.then) for p in whole[n + 1 : n + 10]
        ]


def test_a_single_text_begins_again():
    found = pieces(TextPlace(), 4, texts=TEXTS[1:2], chunk=4)
    assert [(piece.ids.tolist(), piece.place.lap) for piece in found] == [
        ([5, 6, 7, 8], 0), ([9, 10, 11], 0), ([5, 6, 7, 8], 1), ([9, 10, 11], 1),
    ]  # fmt: skip


def test_a_text_without_a_token_is_refused_and_not_read_for_ever():
    with pytest.raises(LongSightError, match="empty has no token in it"):
        pieces(TextPlace(), 1, texts=[text("empty", 0, 0)])


def test_a_file_must_be_there_before_anything_is_read(tmp_path):
    with pytest.raises(LongSightError, match="missing.txt cannot be read: No such file"):
        text_of_file(None, tmp_path / "missing.txt")
