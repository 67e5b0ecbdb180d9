"""Rotations that do nothing are left out, those that do anything stay, and a model is given back as it was."""

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from transformers import DynamicCache
from transformers.models.cohere import modeling_cohere
from transformers.models.deepseek_v3 import modeling_deepseek_v3
from transformers.models.llama import modeling_llama
from transformers.models.llama4 import modeling_llama4

from longsight.generation.decode import Sampling, decode
from longsight.generation.prefill import prefill
from longsight.methods import METHODS
from longsight.models.model import adopt
from longsight.models.module_patching import cache_keyword
from longsight.models.no_rotation import identity_for
from tests.longsight import tiny
from tests.longsight.matrix import variants

VIEWS = {
    "alias", "as_strided", "chunk", "detach", "detach_", "empty", "empty_like", "expand", "flatten", "item", "mT",
    "reshape", "resolve_conj", "resolve_neg", "select", "slice", "split", "squeeze", "t", "transpose", "unbind",
    "unsqueeze", "view",
}  # fmt: skip
"""Operations that launch nothing on a device."""


class Launches(TorchDispatchMode):
    """Counts operations that compute something."""

    count = 0

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        self.count += operation.name().partition("::")[2].partition(".")[0] not in VIEWS
        return operation(*args, **(kwargs or {}))


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


@pytest.mark.parametrize(("key", "most"), [
    ("vanilla", 0.92), ("window", 0.92), ("lm-infinite", 0.95), ("streaming-llm", 0.95),
    ("self-extend", 1.08),  # it asks two copies of the keys, whose answers are merged
])  # fmt: skip
def test_how_many_launches_of_the_stock_models_a_written_token_takes(key, most):
    hf, ids = tiny.hf("llama", num_hidden_layers=24), tiny.ids(40)
    with torch.inference_mode():
        kept = {cache_keyword(hf): DynamicCache()}
        hf(ids[None], use_cache=True, **kept)
        with Launches() as stock:
            hf(ids[None, :1], use_cache=True, **kept)
    model = adopt(hf)
    written = decode(model, prefill(model, ids, METHODS[key].for_model(16, 60)), Sampling(max_new_tokens=4))
    for _ in range(3):  # the first two make copies
        next(written)
    with Launches() as ours:
        next(written)
    assert ours.count < most * stock.count
