"""Heads chosen by their scores, and the files of DuoAttention's authors."""

import json

import numpy as np
import pytest

from longsight.errors import LongSightError
from longsight.models.head_scores import CONFIG, LARGEST_FILE, PATTERN, read_pattern, words
from longsight.models.registry import REGISTRY
from tests.longsight import tiny


def write(folder, scores="0.9\t0.2\n-0.0001\t1.0\n", config=None):
    (folder / PATTERN).write_text(scores)
    (folder / CONFIG).write_text(json.dumps(config or {"sink_size": 4, "recent_size": 9, "threshold": 0.5}))
    return folder


@pytest.mark.parametrize(
    ("scores", "share", "expected"),
    [
        ([[0.1, 0.9], [0.8, 0.2]], 0.5, "01 10"),
        ([[0.1, 0.9], [0.8, 0.2]], 0.25, "01 0"),
        ([[0.1, 0.9], [0.8, 0.2]], 0, "0 0"),
        ([[0.1, 0.9], [0.8, 0.2]], 1, "1 1"),
        ([[1.0, 1.0], [1.0, 1.0, 1.0]], 0.4, "1 0"),
        ([[0.3], [], [0.1, 0.2]], 0.5, "1 1 01"),
    ],
)
def test_the_highest_scores_are_full_and_of_equal_ones_the_earlier(scores, share, expected):
    assert words(scores, share) == expected


@pytest.mark.parametrize("sparsity", [0.0, 0.1, 0.25, 0.5, 0.73, 0.75, 0.95])
def test_as_many_heads_are_full_as_the_authors_quantile_leaves(sparsity):
    """Their `sparsify_attention_heads`: full where a score is at least the quantile of all."""
    scores = np.random.default_rng(3).random((32, 8))
    expected = scores >= (np.quantile(scores, sparsity) if sparsity > 0 else -1)
    found = words(scores.tolist(), 1 - sparsity).split()
    assert ["".join("01"[int(full)] for full in row) for row in expected] == [
        word if len(word) > 1 else 8 * word for word in found
    ]


def test_a_pattern_of_the_authors_is_a_method(tmp_path, grouped):
    method = read_pattern(write(tmp_path, "0.9\t0.2\n0.3\t1.0\n-0.1\t0.7\n"), 0.5)
    assert (method.window, method.starting, method.heads) == (9, 4, "10 01 01")
    assert grouped.logits(tiny.ids(30), method).shape == (30, tiny.VOCABULARY)


@pytest.mark.parametrize(
    ("scores", "config", "sentence"),
    [
        ("0.9\t0.2\n0.1\n", None, "must have a line of numbers for each layer, parted by tabs, but: "),
        ("", None, "must have a line of numbers for each layer, parted by tabs, but: 0 lines"),
        ("0.9\tnan\n", None, "or numbers that are not finite"),
        ("0.9\tmuch\n", None, "could not convert string to float"),
        ("\0" * (LARGEST_FILE + 1), None, "bytes; a pattern of heads has few thousand"),
        ("0.9\t0.2\n", {"sink_size": 4}, "must be JSON with sink_size and recent_size, but: KeyError"),
        ("0.9\t0.2\n", ["x"], "must be JSON with sink_size and recent_size, but: TypeError"),
        ("0.9\t0.2\n", {"sink_size": "4", "recent_size": 9}, "starting must be a whole number, but '4' was given"),
        ("0.9\t0.2\n", {"sink_size": 4, "recent_size": 0}, "window must be between 1 and"),
    ],
)
def test_files_that_say_something_else_are_refused(tmp_path, scores, config, sentence):
    with pytest.raises(LongSightError, match=sentence):
        read_pattern(write(tmp_path, scores, config))


def test_a_folder_without_a_pattern_is_refused_with_what_it_takes(tmp_path):
    with pytest.raises(LongSightError, match=f"cannot be read .* a pattern is a folder with {PATTERN} and {CONFIG}"):
        read_pattern(tmp_path)
    (tmp_path / PATTERN).write_bytes(b"\xff\xfe0\t1")
    with pytest.raises(LongSightError, match="cannot be read"):
        read_pattern(tmp_path)
    with pytest.raises(LongSightError, match="share of full heads must be between 0 and 1, but 1.5 was given"):
        read_pattern(write(tmp_path), 1.5)


@pytest.mark.parametrize("source", [source for source, known in REGISTRY.items() if "duo" in known.recommended])
def test_published_heads_are_those_of_32_layers_with_8_key_heads(source):
    heads = REGISTRY[source].recommended["duo"]["heads"].split()
    assert [len(word) in (1, 8) for word in heads] == [True] * 32
    assert sum(word.count("1") * (8 // len(word)) for word in heads) == 128
