"""Position interpolation, against transformers' linear RoPE type."""

import pytest
import torch

from longsight.methods import METHODS
from tests.longsight.methods.rope_types import SCALES, SHAPES, close_to_configured, stock, theirs
from tests.longsight.tiny import TRAINED


@pytest.mark.parametrize(("channels", "base", "length"), SHAPES)
def test_position_interpolation_is_linear_scaling(channels, base, length):
    """Distances divided by the scale and frequencies divided by it are the same angles."""
    i, j = torch.tensor([[3 * length]]), torch.arange(0, 3 * length, max(length // 8, 1))
    for scale in SCALES:
        method = METHODS["position-interpolation"](scale=scale)
        made, factor = theirs("linear", channels, base, length, scale)
        angles = method.distance(i, j)[..., None] * method.inv_freq(stock(channels, base), 0)
        torch.testing.assert_close(angles, (i - j)[..., None] * made, rtol=2e-6, atol=1e-9)
        assert factor == 1
        assert method.logit_scale(i) is None


@pytest.mark.parametrize("scale", [2.0, 4.0])
def test_it_is_the_stock_model_with_that_rope_type_in_its_config(scale):
    close_to_configured(METHODS["position-interpolation"].for_model(TRAINED, round(scale * TRAINED)), "linear", scale)
