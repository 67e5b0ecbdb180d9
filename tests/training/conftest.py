"""A made-up corpus and the things that are made from it, once for all training tests."""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from training import run, wording
from training.batches import Batches
from training.corpus import Corpus, read_corpus
from training.recipe import Recipe, parse_recipe
from training.tokenizer import train_tokenizer

SYLLABLES = "ba be bi bo bu da de di do du ka ke ki ko ku la le li lo lu ma me mi mo mu na ne ni no nu".split()


def prose(seed: int, sentences: int) -> str:
    """Sentences of made-up words, in paragraphs, with a number here and there."""
    rng = np.random.default_rng(seed)
    text = []
    for sentence in range(sentences):
        words = ["".join(rng.choice(SYLLABLES, rng.integers(2, 4))) for _ in range(rng.integers(4, 12))]
        if sentence % 7 == 0:
            words.append(str(rng.integers(1000)))
        text.append(" ".join(words).capitalize() + "." + ("\n\n" if sentence % 5 == 4 else " "))
    return "".join(text)


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("corpus")
    for name, seed, sentences in (
        ("train/one.txt", 1, 300),
        ("train/two.rst", 2, 200),
        ("validation/three.txt", 3, 100),
    ):
        path = root / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(prose(seed, sentences), encoding="utf-8")
    return root


@pytest.fixture(scope="session")
def corpus(folder: Path) -> Corpus:
    return read_corpus(folder)[0]


@pytest.fixture(scope="session")
def tokenizer(corpus: Corpus):
    return train_tokenizer(corpus, vocab_size=500, sample_bytes=100_000, extra=wording.everything())


MICRO = """
name = "micro"
seed = 3
train_length = 128
induction = true
[tokenizer]
vocab_size = 500
sample_bytes = 100_000
[model]
model_type = "llama"
hidden_size = 24
intermediate_size = 32
num_hidden_layers = 2
num_attention_heads = 3
num_key_value_heads = 3
max_position_embeddings = 128
tie_word_embeddings = true
[optimizer]
learning_rate = 1e-2
betas = [0.9, 0.95]
weight_decay = 0.1
warmup_steps = 10
clip = 1.0
answer_weight = 4.0
[[phase]]
length = 64
tokens = 25_600
batch_tokens = 256
runs = [0.5, 0.0]
tasks = [0.25, 0.5]
[[phase]]
length = 128
tokens = 25_600
batch_tokens = 256
runs = [0.0, 0.0]
tasks = [0.5, 1.0]
rates = [1.0, 0.1]
restated = 2.0
"""


@pytest.fixture(scope="session")
def recipe_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("recipe") / "micro.toml"
    path.write_text(MICRO, encoding="utf-8")
    return path


@pytest.fixture
def recipe() -> Recipe:
    return parse_recipe(tomllib.loads(MICRO))


@pytest.fixture
def batches(recipe: Recipe, corpus: Corpus, tokenizer) -> Batches:
    return Batches(recipe, corpus, tokenizer)


@pytest.fixture(scope="session")
def arguments(recipe_file: Path, folder: Path) -> Callable[..., list[str]]:
    """The command line of a run into `place / name`."""

    def build(place: Path, name: str, recipe: Path = recipe_file) -> list[str]:
        options = {"--recipe": recipe, "--corpus": folder, "--out": place / name, "--work": place / f"{name}-work"}
        options |= {"--threads": 1, "--save-every": 7, "--device": "cpu"}
        return [str(part) for option in options.items() for part in option]

    return build


@pytest.fixture(scope="session")
def train() -> Callable[[list[str]], None]:
    """Runs the command in this process, and gives its threads back."""

    def command(options: list[str]) -> None:
        threads = torch.get_num_threads()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sys, "argv", ["training.run", *options])
            run.main()
        torch.set_num_threads(threads)

    return command


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory, arguments, train) -> Path:
    """Where one run without a break has put its model (`whole`) and its checkpoint (`whole-work`)."""
    place = tmp_path_factory.mktemp("trained")
    train(arguments(place, "whole"))
    return place
