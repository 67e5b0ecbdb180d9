"""transformers' own RoPE types, as frequencies and as whole models: what methods that stretch RoPE are held to."""

import torch
from transformers import LlamaConfig
from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS

from tests.longsight import tiny
from tests.longsight.tiny import TRAINED

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


def configured(kind, factor, **config):
    """A stock model whose own config says how its RoPE is scaled; the same weights as `tiny.hf`."""
    scaling = {"rope_type": kind, "factor": factor, "rope_theta": 1e4}
    if kind == "yarn":
        scaling["original_max_position_embeddings"] = TRAINED
        config = {"max_position_embeddings": round(factor * TRAINED), **config}
    return tiny.hf(rope_parameters=scaling, **config)


def close_to_configured(method, kind, scale):
    """A method's logits are those of the stock model with that RoPE type in its config."""
    n = round(scale * TRAINED)
    expected = configured(kind, scale)(input_ids=tiny.ids(n)[None]).logits[0]
    torch.testing.assert_close(tiny.model().logits(tiny.ids(n), method), expected, atol=2e-5, rtol=0)
    assert (expected - tiny.hf()(input_ids=tiny.ids(n)[None]).logits[0]).abs().max() > 0.1
