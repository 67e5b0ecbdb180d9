"""The 5-gram model is a probability, and says what counting says."""

from __future__ import annotations

import gzip
import math
from collections import Counter

import numpy as np
import pytest

from training.baselines import ORDER, Bytes, gzip_bits


def by_counting(train: bytes, text: bytes) -> float:
    """The same model, slowly: Witten-Bell interpolation over dictionaries."""

    def probability(context: bytes, byte: int) -> float:
        lower = 1 / 256 if not context else probability(context[1:], byte)
        if len(context) == ORDER - 1 and not context:
            return lower
        followers = Counter(
            train[place + len(context)]
            for place in range(len(train) - len(context))
            if train[place : place + len(context)] == context
        )
        total, kinds = followers.total(), len(followers)
        return (followers[byte] + kinds * lower) / (total + kinds) if total else lower

    bits = [-math.log2(probability(text[i - ORDER + 1 : i], text[i])) for i in range(ORDER - 1, len(text))]
    return float(np.mean(bits))


def test_the_fast_form_counts_rightly():
    train, text = "the cat sat on the mat, and the cat ate the rat", "the rat sat on the cat über all"
    assert Bytes(train).bits(text) == pytest.approx(by_counting(train.encode(), text.encode()))


def test_probabilities_sum_to_one():
    model = Bytes("abracadabra, abracadabra")
    total = sum(2 ** -model.bits("abra" + chr(byte)) for byte in range(128))
    unseen = 2 ** -model.bits("abra" + "\x00")
    assert total + 128 * unseen == pytest.approx(1)


def test_more_of_the_same_text_is_cheaper(corpus):
    text = corpus.documents[0].text
    half = len(text) // 2
    assert Bytes(text[:half]).bits(text[half:]) < Bytes(text[:500]).bits(text[half:]) < 8


def test_gzip_bits():
    text = "Größe " * 100
    assert gzip_bits(text) == pytest.approx(8 * len(gzip.compress(text.encode(), 9)) / len(text.encode()), abs=0.1)
