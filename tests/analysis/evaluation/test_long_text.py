"""One text after the other and again, in pieces, from any place on."""

import re
from itertools import islice

import numpy as np
import pytest
from transformers import AutoTokenizer

from analysis.documents import plain_pieces, reading_files
from analysis.evaluation.endless.long_text import LongText, TextPiece, TextPlace, piece_steps, text_of_file
from longsight.errors import LongSightError
from longsight.generation import text_encoding
from longsight.generation.text_encoding import encoder_of
from longsight.progress import Progress, finish
from tests.app.conftest import save_model


def text(name, first, last):
    def load():
        yield Progress(0, 1, "tokenizing")
        yield np.arange(first, first + 2)[: last - first]
        yield np.arange(first + 2, last)

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


def test_a_file_larger_than_a_piece_has_the_ids_of_the_whole_and_is_never_held(tmp_path, monkeypatch):
    """Line ends, a byte order mark and letters of several bytes are at ends of pieces, too."""
    for module, name, value in ((plain_pieces, "PIECE", 1000), (text_encoding, "PIECE", 300),
                                (text_encoding, "OVERLAP", 120)):  # fmt: skip
        monkeypatch.setattr(module, name, value)
    save_model(tmp_path / "tiny")
    encoder = encoder_of(AutoTokenizer.from_pretrained(tmp_path / "tiny"))
    path = tmp_path / "large.txt"
    path.write_bytes(b"\xef\xbb\xbf" + ("The grass is grün, 漢字.\r\nAnd the sky.\r" * 3000).encode())
    whole = finish(encoder.steps(reading_files.read_path(path).text)).ids
    monkeypatch.setattr(plain_pieces, "read_path", None)
    made = [step for step in text_of_file(encoder, path).load() if isinstance(step, np.ndarray)]
    assert np.concatenate(made).tolist() == whole.tolist()
    assert max(map(len, made)) < len(whole) / 10
    beyond = pieces(TextPlace(0, 0, len(whole) - 5), 2, chunk=4, texts=[text_of_file(encoder, path)])
    assert [(each.ids.tolist(), each.then.lap) for each in beyond] == [
        (whole[-5:-1].tolist(), 0), (whole[-1:].tolist(), 1),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("raw", "name"),
    [
        ("café and more of it, déjà vu ".encode("cp1252") * 50, "other.txt"),
        ("﻿words".encode("utf-16-le"), "marked.txt"),
        (b"<html><p>words", "page.html"),
        ("words 漢\r\n".encode() * 50, "plain.txt"),
    ],
)
def test_every_file_has_the_text_that_it_has_as_a_whole(raw, name, tmp_path, monkeypatch):
    monkeypatch.setattr(plain_pieces, "PIECE", 7)
    (tmp_path / name).write_bytes(raw)
    found = list(plain_pieces.text_pieces(tmp_path / name))
    assert "".join(found) == reading_files.read_path(tmp_path / name).text
    assert max(map(len, found)) <= 7


@pytest.mark.parametrize("raw", [b"", b" \n" * 100, b"a\0b", b"words\1" * 100])
def test_what_is_no_text_is_refused_as_ever(raw, tmp_path):
    (tmp_path / "odd.txt").write_bytes(raw)
    with pytest.raises(LongSightError) as whole:
        reading_files.read_path(tmp_path / "odd.txt")
    with pytest.raises(LongSightError, match=re.escape(str(whole.value))):
        list(plain_pieces.text_pieces(tmp_path / "odd.txt"))
