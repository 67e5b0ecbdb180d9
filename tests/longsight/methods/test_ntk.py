"""NTK-aware scaling, against a larger base."""

import pytest

from longsight.methods import METHODS
from tests.longsight.methods.rope_types import SCALES, SHAPES, close, stock


@pytest.mark.parametrize(("channels", "base", "length"), SHAPES)
def test_ntk_is_a_larger_base(channels, base, length):
    for scale in SCALES:
        larger = base * scale ** (channels / (channels - 2))
        close(METHODS["ntk"](scale=scale).inv_freq(stock(channels, base), 0), stock(channels, larger))


@pytest.mark.parametrize(("channels", "base", "length"), SHAPES)
def test_ntk_keeps_the_fastest_frequency_and_divides_the_slowest_by_the_scale(channels, base, length):
    before = stock(channels, base)
    after = METHODS["ntk"](scale=8.0).inv_freq(before, 0)
    assert after[0] == before[0]
    close(after[-1], before[-1] / 8)
