"""Methods that stretch RoPE, against transformers' own RoPE types: frequency by frequency, and as whole models."""

import math

import pytest
import torch
from transformers import LlamaConfig
from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS

from engine.errors import LongSightError
from engine.generate import prefill
from engine.methods import METHODS
from engine.models import adopt
from tests.engine import tiny
from tests.engine.tiny import TRAINED

SHAPES = [(32, 1e4, 512), (128, 5e5, 8192), (8, 1e4, 64), (64, 1e6, 4096), (4, 100.0, 16)]
"""(rotating channels, base, trained length)"""
SCALES = [1.0, 1.5, 2.0, 4.0, 16.0]


def stock(channels, base):
    """RoPE's frequencies (Su et al. 2021, section 3.2.2)."""
    return torch.tensor([base ** (-2 * f / channels) for f in range(channels // 2)], dtype=torch.float64)


def theirs(kind, channels, base, length, factor, seq_len=None):
    """transformers' frequencies and its factor on rotated queries and keys."""
    scaling = {"rope_type": kind, "factor": factor, "rope_theta": base, "original_max_position_embeddings": length}
    if kind == "dynamic":
        del scaling["original_max_position_embeddings"]
    config = LlamaConfig(
        hidden_size=2 * channels, num_attention_heads=2, max_position_embeddings=length, rope_parameters=scaling
    )
    made, factor = ROPE_INIT_FUNCTIONS[kind](config, torch.device("cpu"), seq_len=seq_len)
    return made.double(), factor


def close(ours, theirs):
    torch.testing.assert_close(ours, theirs, rtol=2e-6, atol=0)  # theirs are made in float32


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize(("channels", "base", "length"), SHAPES)
def test_position_interpolation_is_linear_scaling(channels, base, length, scale):
    """Distances divided by the scale and frequencies divided by it are the same angles."""
    method = METHODS["position-interpolation"](scale=scale)
    made, factor = theirs("linear", channels, base, length, scale)
    i, j = torch.tensor([[3 * length]]), torch.arange(0, 3 * length, max(length // 8, 1))
    angles = method.distance(i, j)[..., None] * method.inv_freq(stock(channels, base), 0)
    torch.testing.assert_close(angles, (i - j)[..., None] * made, rtol=2e-6, atol=1e-9)
    assert factor == 1
    assert method.logit_scale(i) is None


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize(("channels", "base", "length"), SHAPES)
def test_ntk_is_a_larger_base(channels, base, length, scale):
    larger = base * scale ** (channels / (channels - 2))
    close(METHODS["ntk"](scale=scale).inv_freq(stock(channels, base), 0), stock(channels, larger))


@pytest.mark.parametrize(("channels", "base", "length"), SHAPES)
def test_ntk_keeps_the_fastest_frequency_and_divides_the_slowest_by_the_scale(channels, base, length):
    before = stock(channels, base)
    after = METHODS["ntk"](scale=8.0).inv_freq(before, 0)
    assert after[0] == before[0]
    close(after[-1], before[-1] / 8)


@pytest.mark.parametrize("alpha", [1.0, 2.0, 4.0])
@pytest.mark.parametrize("n", [1, 2, 3, 3.5])
@pytest.mark.parametrize(("channels", "base", "length"), SHAPES)
def test_dynamic_ntk_is_transformers_dynamic_type_at_every_length(channels, base, length, n, alpha):
    reached = int(n * length)
    method = METHODS["dynamic-ntk"](length=length, alpha=alpha, step=1)
    made, _ = theirs("dynamic", channels, base, length, alpha, seq_len=reached)
    close(method.inv_freq(stock(channels, base), method.length_at(torch.tensor(reached - 1))), made)


def test_dynamic_ntk_rounds_the_length_up_to_its_step_and_waits_for_the_trained_length():
    method = METHODS["dynamic-ntk"](length=10, step=4)
    reached = [method.length_at(torch.tensor(i)) for i in range(18)]
    assert reached == [10] * 10 + [12] * 2 + [16] * 4 + [20] * 2
    wide = METHODS["dynamic-ntk"](length=10, step=100)
    assert [wide.length_at(torch.tensor(i)) for i in (0, 9, 10, 99, 100)] == [10, 10, 100, 100, 200]


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize(("channels", "base", "length"), SHAPES)
def test_yarn_is_transformers_yarn_type(channels, base, length, scale):
    method = METHODS["yarn"](scale=scale, length=length)
    made, factor = theirs("yarn", channels, base, length, scale)
    close(method.inv_freq(stock(channels, base), 0), made)
    ours = float(method.logit_scale(torch.tensor([7])))
    assert ours == pytest.approx(factor**2), "they scale queries and keys, so logits twice"
    assert ours == pytest.approx((0.1 * math.log(scale) + 1) ** 2)


def test_yarn_needs_two_frequencies():
    with pytest.raises(LongSightError, match="YaRN needs at least 2 frequencies, but this model rotates 1"):
        METHODS["yarn"](scale=2.0, length=16).inv_freq(stock(2, 1e4), 0)


# Whole models


def configured(kind, factor, **config):
    """A stock model whose own config says how its RoPE is scaled; the same weights as `tiny.hf`."""
    scaling = {"rope_type": kind, "factor": factor, "rope_theta": 1e4}
    if kind == "yarn":
        scaling["original_max_position_embeddings"] = TRAINED
        config = {"max_position_embeddings": round(factor * TRAINED), **config}
    return tiny.hf(rope_parameters=scaling, **config)


@pytest.mark.parametrize("scale", [2.0, 4.0])
@pytest.mark.parametrize("key", ["position-interpolation", "yarn"])
def test_a_method_is_the_stock_model_with_that_rope_type_in_its_config(key, scale):
    kind = {"position-interpolation": "linear", "yarn": "yarn"}[key]
    n = round(scale * TRAINED)
    method = METHODS[key].for_model(TRAINED, n)
    expected = configured(kind, scale)(input_ids=tiny.ids(n)[None]).logits[0]
    torch.testing.assert_close(tiny.model().logits(tiny.ids(n), method), expected, atol=2e-5, rtol=0)
    assert (expected - tiny.hf()(input_ids=tiny.ids(n)[None]).logits[0]).abs().max() > 0.1


@pytest.mark.parametrize("n", [TRAINED, TRAINED + 1, 3 * TRAINED])
def test_the_last_token_of_a_prompt_hears_what_transformers_dynamic_type_makes_it_hear(n):
    """In one layer: in deeper ones transformers lets the last token's length reach back into all earlier ones."""
    one = {"num_hidden_layers": 1}
    expected = configured("dynamic", 1.0, **one)(input_ids=tiny.ids(n)[None]).logits[0, -1]
    found = tiny.model(**one).logits(tiny.ids(n), METHODS["dynamic-ntk"](length=TRAINED, step=1))[-1]
    torch.testing.assert_close(found, expected, atol=2e-5, rtol=0)


def test_dynamic_ntk_token_by_token_is_one_pass_which_the_published_way_is_not():
    n, method = 2 * TRAINED, METHODS["dynamic-ntk"](length=TRAINED, step=4)
    text, model, published = tiny.ids(n), tiny.model(), configured("dynamic", 1.0)
    at_once = model.logits(text, method)
    torch.testing.assert_close(model.logits(text, method, chunk=1), at_once, atol=1e-4, rtol=0)
    torch.testing.assert_close(model.logits(text, method, chunk=13), at_once, atol=1e-4, rtol=0)
    cache = None
    for token in text:
        out = published(input_ids=token[None, None], past_key_values=cache, use_cache=True)
        cache = out.past_key_values
    theirs_at_once = configured("dynamic", 1.0)(input_ids=text[None]).logits[0]
    assert (out.logits[0, -1] - theirs_at_once[-1]).abs().max() > 0.05


def test_a_conversation_goes_on_under_the_frequencies_of_its_new_length():
    method, text = METHODS["dynamic-ntk"](length=TRAINED, step=5), tiny.ids(80)
    model = adopt(tiny.hf())
    first = prefill(model, text[:40], method)
    second = prefill(model, text[40:], method, cache=first.cache)
    torch.testing.assert_close(second.logits, model.logits(text, method)[-1], atol=1e-4, rtol=0)
