"""YaRN, against transformers' yarn RoPE type."""

import math

import pytest
import torch

from longsight.errors import LongSightError
from longsight.methods import METHODS
from tests.longsight.methods.rope_types import SCALES, SHAPES, close, close_to_configured, stock, theirs
from tests.longsight.tiny import TRAINED


@pytest.mark.parametrize(("channels", "base", "length"), SHAPES)
def test_yarn_is_transformers_yarn_type(channels, base, length):
    for scale in SCALES:
        method = METHODS["yarn"](scale=scale, length=length)
        made, factor = theirs("yarn", channels, base, length, scale)
        close(method.inv_freq(stock(channels, base), 0), made)
        told = method.logit_scale(torch.tensor([7]))
        ours = 1.0 if told is None else float(told)
        assert ours == pytest.approx(factor**2), "they scale queries and keys, so logits twice"
        assert ours == pytest.approx((0.1 * math.log(scale) + 1) ** 2)


def test_yarn_needs_two_frequencies():
    with pytest.raises(LongSightError, match="YaRN needs at least 2 frequencies, but this model rotates 1"):
        METHODS["yarn"](scale=2.0, length=16).inv_freq(stock(2, 1e4), 0)


@pytest.mark.parametrize("scale", [2.0, 4.0])
def test_it_is_the_stock_model_with_that_rope_type_in_its_config(scale):
    close_to_configured(METHODS["yarn"].for_model(TRAINED, round(scale * TRAINED)), "yarn", scale)
