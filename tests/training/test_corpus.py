"""A corpus is any folder of texts, and its validation part is never trained on."""

from __future__ import annotations

import sys
import types

import numpy as np
import pytest

from training.corpus import Corpus, CorpusError, CorpusText, read_corpus

NAME = "someone/texts"


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
    corpus = Corpus([CorpusText("a", "a" * 900), CorpusText("b", "b" * 100)])
    drawn = [corpus.passage(np.random.default_rng(seed), 5)[0] for seed in range(500)]
    assert 0.85 < drawn.count("a") / 500 < 0.95


class Rows(dict):
    """A split of a dataset: its columns by name."""

    @property
    def column_names(self):
        return list(self)


@pytest.fixture
def hub(monkeypatch):
    """Puts a library `datasets` in place that finds the given splits under one name."""

    def install(**splits):
        def load_dataset(name):
            if name != NAME:
                raise FileNotFoundError(f"Dataset '{name}' doesn't exist on the Hub")
            return splits

        monkeypatch.setitem(sys.modules, "datasets", types.SimpleNamespace(load_dataset=load_dataset))

    return install


def test_a_dataset_of_the_hub_is_read(hub):
    hub(train=Rows(text=["one", " ", "two"], label=[1, 2, 3]), validation=Rows(text=["three"]))
    train, validation = read_corpus(f"hub:{NAME}")
    assert [document.text for document in train.documents] == ["one", "two"]
    assert [(document.name, document.text) for document in validation.documents] == [("validation/0", "three")]


def test_a_dataset_without_validation_is_split(hub):
    hub(train=Rows(text=[f"text {number}" for number in range(100)]))
    train, validation = read_corpus(f"hub:{NAME}")
    assert (len(train.documents), len(validation.documents)) == (98, 2)


def test_datasets_that_cannot_be_read_are_refused(hub, monkeypatch):
    hub(train=Rows(body=["one"]))
    with pytest.raises(CorpusError, match="'someone/texts' needs a column 'text', found body"):
        read_corpus(f"hub:{NAME}")
    with pytest.raises(CorpusError, match="'no/such' was asked for, but it cannot be read: Dataset 'no/such' doesn't"):
        read_corpus("hub:no/such")
    hub(train=Rows(text=[""]))
    with pytest.raises(CorpusError, match="the dataset 'someone/texts', but it holds no text"):
        read_corpus(f"hub:{NAME}")
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(CorpusError, match="library `datasets` is not installed; `pip install datasets`, or give a"):
        read_corpus(f"hub:{NAME}")
