"""A corpus is any folder of texts, and its validation part is never trained on."""

from __future__ import annotations

import numpy as np
import pytest

from training.corpus import Corpus, CorpusError, Document, read_corpus


def test_folders_are_the_split(folder):
    train, validation = read_corpus(folder)
    assert [document.name for document in train.documents] == ["train/one.txt", "train/two.rst"]
    assert [document.name for document in validation.documents] == ["validation/three.txt"]


def test_without_folders_two_percent_are_held_out(tmp_path):
    for number in range(100):
        (tmp_path / f"{number}.txt").write_text(f"text {number}")
    (tmp_path / "picture.png").write_text("not a text")
    train, validation = read_corpus(tmp_path)
    assert (len(train.documents), len(validation.documents)) == (98, 2)
    assert not {d.name for d in train.documents} & {d.name for d in validation.documents}
    assert read_corpus(tmp_path)[1].documents == validation.documents


def test_of_a_single_file_the_end_is_held_out(tmp_path):
    (tmp_path / "only.txt").write_text("0123456789" * 10)
    train, validation = read_corpus(tmp_path)
    assert train.documents[0].text + validation.documents[0].text == "0123456789" * 10
    assert len(validation.documents[0].text) == 2


def test_a_folder_without_texts_is_refused(tmp_path):
    (tmp_path / "empty.txt").write_text(" \n")
    with pytest.raises(CorpusError, match=r"holds no text in .txt or .rst files"):
        read_corpus(tmp_path)


def test_passages_begin_at_words_anywhere(corpus):
    passages = [corpus.passage(np.random.default_rng(seed), 200) for seed in range(200)]
    assert len(set(passages)) > 190
    whole = [document.text for document in corpus.documents]
    for passage in passages:
        (text,) = [text for text in whole if passage in text]
        start = text.index(passage)
        assert start == 0 or text[start - 1] == " "
        assert len(passage) <= 200


def test_longer_documents_are_drawn_more_often():
    corpus = Corpus([Document("a", "a" * 900), Document("b", "b" * 100)])
    drawn = [corpus.passage(np.random.default_rng(seed), 5)[0] for seed in range(500)]
    assert 0.85 < drawn.count("a") / 500 < 0.95
