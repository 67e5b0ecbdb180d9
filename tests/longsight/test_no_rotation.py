"""Rotations that do nothing are left out, those that do anything stay, and a model is given back as it was."""

import pytest
from transformers.models.cohere import modeling_cohere
from transformers.models.deepseek_v3 import modeling_deepseek_v3
from transformers.models.llama import modeling_llama
from transformers.models.llama4 import modeling_llama4

from longsight.models.model import adopt
from longsight.models.no_rotation import identity_for
from tests.longsight import tiny
from tests.longsight.matrix import variants


@pytest.mark.parametrize(("rotate", "nothing"), [
    (modeling_llama.apply_rotary_pos_emb, True),
    (modeling_cohere.apply_rotary_pos_emb, True),
    (modeling_deepseek_v3.apply_rotary_pos_emb, True),
    (modeling_deepseek_v3.apply_rotary_pos_emb_interleave, False),  # it also puts channels in another order
    (modeling_llama4.apply_rotary_emb, False),  # it asks for complex numbers
])  # fmt: skip
def test_a_function_is_taken_for_what_it_does(rotate, nothing):
    assert (identity_for(rotate) is not None) == nothing


def test_a_rotation_that_also_scales_stays():
    """YaRN multiplies queries and keys wherever they stand."""
    assert not any(shadowed(variants.adopted("llama, yarn rope").hf))


def shadowed(hf):
    return ["forward" in vars(layer.self_attn) for layer in hf.model.layers]


def test_a_forward_without_rotation_is_taken_back():
    hf = tiny.hf("llama")
    before = [dict(vars(layer.self_attn)) for layer in hf.model.layers]
    model = adopt(hf)
    assert all(shadowed(hf))
    model.seam.close()
    assert [dict(vars(layer.self_attn)) for layer in hf.model.layers] == before
