"""Sums over stretches, however the text was cut into pieces."""

import random

import numpy as np
import pytest

from analysis.evaluation.endless.tally import EDGES, add


def told(tokens, lap_tokens, pieces):
    """The stretches of a text whose token at position p costs p + 1 in one run and 2 in the other, but for the first;
    each takes half a second."""
    stretches, position = [], 0
    while position < tokens:
        lap = position // lap_tokens
        size = min(pieces(), tokens - position, (lap + 1) * lap_tokens - position)
        nll = np.stack((np.arange(position, position + size) + 1.0, np.full(size, 2.0)))
        nll[:, : 1 if position == 0 else 0] = np.nan
        add(stretches, lap, nll, np.full(2, size / 2), np.full(2, size / 4), position + size)
        position += size
    return stretches


@pytest.mark.parametrize("seed", range(5))
def test_stretches_hold_the_sums_of_their_tokens_and_nothing_is_lost(seed):
    draw = random.Random(seed)
    tokens, lap = draw.randint(1, 12_000), draw.choice([37, 500, 1_700, 10**9])
    stretches = told(tokens, lap, lambda: draw.randint(1, 900))
    assert [each.begin for each in stretches] == [0, *(each.end for each in stretches[:-1])]
    assert stretches[-1].end == tokens
    for each in stretches:
        first = max(each.begin, 1)
        assert each.known == each.end - first
        assert each.nll == [sum(range(first + 1, each.end + 1)), 2 * each.known]
        assert each.seconds == pytest.approx([(each.end - each.begin) / 2] * 2)
        assert each.processor == pytest.approx([(each.end - each.begin) / 4] * 2)
    assert [edge for edge in EDGES if edge < tokens] == [each.end for each in stretches[:-1] if each.end in EDGES]


def test_a_lap_that_is_long_has_a_stretch_of_its_own():
    ends = [each.end for each in told(10_000, 1_000, lambda: 300)]
    assert set(range(1_000, 10_001, 1_000)) <= set(ends)


def test_laps_that_are_short_share_one():
    stretches = told(100_000, 10, lambda: 10)
    assert len(stretches) < 1_000
    assert all(each.end - each.begin >= each.begin / 101 for each in stretches[:-1] if each.end not in EDGES)
