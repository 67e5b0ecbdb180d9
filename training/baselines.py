"""What bits per byte are worth: gzip, and an interpolated 5-gram model of bytes. Knows nothing about the network."""

from __future__ import annotations

import gzip

import numpy as np

ORDER = 5


def gzip_bits(text: str) -> float:
    """Bits per byte of `gzip -9` on the whole text."""
    raw = text.encode()
    return 8 * len(gzip.compress(raw, 9)) / len(raw)


class Bytes:
    """A 5-gram model of bytes, interpolated from 0 to 4 bytes of context (Witten and Bell 1991).

    p_k(b | c) = (count(c b) + kinds(c) * p_{k-1}(b | shorter c)) / (count(c) + kinds(c)), and p_{-1} = 1/256, where
    kinds(c) is how many different bytes followed c.
    """

    def __init__(self, text: str) -> None:
        raw = np.frombuffer(text.encode(), dtype=np.uint8)
        self._grams = []  # per order: (grams, their counts, contexts, their counts, their kinds)
        for size in range(ORDER):
            grams, counts = np.unique(_grams(raw, size + 1), return_counts=True)
            contexts, first, kinds = np.unique(grams >> 8, return_index=True, return_counts=True)
            self._grams.append((grams, counts, contexts, np.add.reduceat(counts, first), kinds))

    def bits(self, text: str) -> float:
        """Bits per byte of a text, from its fifth byte on."""
        raw = np.frombuffer(text.encode(), dtype=np.uint8)
        probability = np.full(len(raw) - ORDER + 1, 1 / 256)
        for size, (grams, counts, contexts, totals, kinds) in enumerate(self._grams):
            here = _grams(raw, size + 1)[ORDER - 1 - size :]
            seen, total, kind = (
                _find(grams, counts, here),
                _find(contexts, totals, here >> 8),
                _find(contexts, kinds, here >> 8),
            )
            probability = np.where(total, (seen + kind * probability) / np.maximum(total + kind, 1), probability)
        return float(-np.log2(probability).mean())


def _grams(raw: np.ndarray, size: int) -> np.ndarray:
    """Each run of `size` bytes as one integer, its last byte lowest; (byte - size + 1)."""
    grams = np.zeros(len(raw) - size + 1, dtype=np.int64)
    for place in range(size):
        grams = (grams << 8) | raw[place : len(raw) - size + 1 + place]
    return grams


def _find(keys: np.ndarray, values: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """The values of sorted keys; 0 for a key that is not there."""
    place = np.searchsorted(keys, wanted).clip(max=len(keys) - 1)
    return np.where(keys[place] == wanted, values[place], 0)
