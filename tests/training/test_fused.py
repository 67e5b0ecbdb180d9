"""The fused attention of MPT gives the numbers and the gradients of transformers' own."""

from __future__ import annotations

import copy

import pytest
import torch
from transformers import MptConfig, MptForCausalLM

from training.fused import fuse_attention


@pytest.fixture
def models():
    """The same small network twice, the second one fused."""
    torch.manual_seed(0)
    stock = MptForCausalLM(MptConfig(vocab_size=50, d_model=96, n_layers=2, n_heads=3, max_seq_len=64))
    fused = copy.deepcopy(stock)
    fuse_attention(fused)
    return stock, fused


@pytest.mark.parametrize("length", [1, 40, 64])
def test_logits_and_gradients_are_those_of_stock(models, length):
    ids = torch.randint(0, 50, (3, length), generator=torch.Generator().manual_seed(1))
    logits = []
    for model in models:
        logits.append(model(input_ids=ids, use_cache=False).logits)
        logits[-1].square().mean().backward()
    assert torch.allclose(*logits, atol=1e-5)
    for one, other in zip(*(model.parameters() for model in models), strict=True):
        assert torch.allclose(one.grad, other.grad, rtol=1e-3, atol=1e-6)


def test_a_cache_is_refused(models):
    _, fused = models
    with pytest.raises(ValueError, match="reads whole sequences under a causal mask, without a cache"):
        fused(input_ids=torch.tensor([[1, 2, 3]]), use_cache=True)


def test_a_copy_of_a_fused_model_is_saved_like_any_other(models, tmp_path):
    stock, fused = models
    copy.deepcopy(fused).to(torch.bfloat16).save_pretrained(tmp_path)
    again = MptForCausalLM.from_pretrained(tmp_path, dtype=torch.bfloat16).state_dict()
    assert all(torch.equal(again[name], weight.to(torch.bfloat16)) for name, weight in stock.state_dict().items())
