"""Texts are files, or folders of them; which is read follows from the seed, and longer ones are read more often."""

import numpy as np
import pytest

from analysis.evaluation.tasks import texts
from longsight.errors import LongSightError


@pytest.fixture
def books(tmp_path):
    (tmp_path / "deep").mkdir()
    for name, words in (("short.txt", 20), ("deep/long.rst", 300), ("deep/longer.txt", 600)):
        (tmp_path / name).write_text(f"{name[0].upper()} word. " * words, encoding="utf-8")
    (tmp_path / "deep" / "picture.png").write_bytes(b"\xff\xfe")
    (tmp_path / "empty.txt").write_text(" \n")
    return str(tmp_path)


def test_a_folder_is_every_text_below_it(books, caplog):
    assert sorted(len(text) for text in texts.read_texts(books)) == [160, 2400, 4800]
    assert caplog.messages == ["Passed over: empty.txt has no text in it; give one with words."]


def test_what_a_file_was_is_logged_where_it_does_not_say_so_itself(tmp_path, caplog):
    (tmp_path / "a.html").write_bytes(b"<p>Some words.</p><img src='x'>")
    (tmp_path / "b.txt").write_bytes("Käse".encode("latin-1"))
    (tmp_path / "c.txt").write_text("Plain words.", encoding="utf-8-sig")
    assert texts.read_texts(str(tmp_path)) == ("Some words.", "Käse", "Plain words.")
    left_out, encoding = caplog.messages
    assert left_out.endswith("a.html: HTML in UTF-8. Left out: 1 image.")
    assert "b.txt: Latin-1 (Windows-1252). It has no byte order mark" in encoding


def test_texts_that_are_too_short_are_not_drawn_and_longer_ones_more_often(books):
    drawn = [len(texts.draw_text(books, np.random.default_rng(seed), 1000)) for seed in range(300)]
    assert set(drawn) == {2400, 4800}
    assert 1.5 < drawn.count(4800) / drawn.count(2400) < 2.7
    assert len(texts.draw_text(books, np.random.default_rng(0), 10_000)) == 4800


def test_a_passage_of_a_folder_follows_from_the_seed(books):
    first, again = (texts.passage(books, np.random.default_rng(4), 500) for _ in range(2))
    assert first == again
    assert len(first) == 500


def test_a_folder_without_words_is_refused(tmp_path):
    with pytest.raises(LongSightError, match="has no words in it; give paper, prose, or a file or folder of texts"):
        texts.read_texts(str(tmp_path))
