"""Before any training, the written weights leave a trail of tokens and attend to what followed the last time."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM, MistralConfig, MistralForCausalLM, MptConfig, MptForCausalLM

from training.circuit import COMMON, falling, write_induction
from training.recipe import RecipeError

LENGTH = 40


@pytest.fixture(scope="module")
def models():
    """The network as transformers begins it, and with the circuit."""
    config = LlamaConfig(
        vocab_size=500,
        hidden_size=160,
        intermediate_size=64,
        num_hidden_layers=3,
        num_attention_heads=5,
        num_key_value_heads=5,
        max_position_embeddings=512,
        tie_word_embeddings=True,
        attn_implementation="eager",
    )
    torch.manual_seed(0)
    plain, written = LlamaForCausalLM(config), LlamaForCausalLM(config)
    write_induction(written)
    return plain, written


@pytest.fixture(scope="module")
def repeated() -> torch.Tensor:
    """(row token) random tokens, and the same once more."""
    run = torch.randint(0, 500, (8, LENGTH), generator=torch.Generator().manual_seed(1))
    return torch.cat([run, run], 1)


def attention(model: LlamaForCausalLM, ids: torch.Tensor, layer: int, distance: int) -> float:
    """Mean attention of head 0 over the second half to the key at a distance."""
    with torch.inference_mode():
        weights = model(ids, output_attentions=True).attentions[layer][:, 0]  # (row query key)
    return torch.stack([weights[:, i, i - distance] for i in range(LENGTH, 2 * LENGTH)]).mean().item()


def test_head_0_of_layer_0_leaves_a_trail(models, repeated):
    plain, written = models
    trail = [attention(written, repeated, layer=0, distance=distance) for distance in range(5)]
    assert trail == pytest.approx(falling(32, 10_000.0, 512)[1][:5].tolist(), rel=0.35)  # fewer tokens share it here
    assert sum(trail) > 0.8
    assert attention(plain, repeated, layer=0, distance=1) < 0.05


def test_attention_can_be_made_to_fall_with_the_distance():
    _, trail = falling(32, 10_000.0, 512)
    assert trail.sum().item() == pytest.approx(1)
    assert all(near > 1.3 * far for near, far in pairwise(trail[1:9].tolist()))
    assert trail[0] > 0.2
    assert trail[12:].max() < 0.01


def test_head_0_of_layer_1_attends_to_what_followed(models, repeated):
    plain, written = models
    followed = attention(written, repeated, layer=1, distance=LENGTH - 1)
    assert attention(plain, repeated, layer=1, distance=LENGTH - 1) < 0.05
    assert followed > 0.3
    assert followed > 2 * max(attention(written, repeated, layer=1, distance=LENGTH - other) for other in (-1, 0, 2))


def test_embeddings_have_one_part_in_common(models):
    plain, written = models
    before, after = plain.get_input_embeddings().weight, written.get_input_embeddings().weight
    common = after.mean(0).norm() / before.norm(dim=1).mean()
    assert common.item() == pytest.approx(COMMON, abs=0.1)
    assert torch.nn.functional.cosine_similarity(after, after.mean(0)[None]).min() > 0.3


def test_other_heads_and_layers_are_left_alone(models):
    _, written = models
    written = dict(written.named_parameters())
    for layer, projection in ((0, "q_proj"), (1, "k_proj")):
        weight = written[f"model.layers.{layer}.self_attn.{projection}.weight"]
        assert weight[:32].std() > 1.2 * weight[32:].std()
        assert weight[32:].std().item() == pytest.approx(0.02, rel=0.1)
    assert written["model.layers.2.self_attn.q_proj.weight"].std().item() == pytest.approx(0.02, rel=0.1)


@pytest.fixture(scope="module")
def alibi():
    """An MPT network as transformers begins it, and with the circuit."""
    config = MptConfig(vocab_size=500, d_model=160, n_layers=3, n_heads=5, max_seq_len=80)
    torch.manual_seed(0)
    plain, written = MptForCausalLM(config), MptForCausalLM(config)
    write_induction(written)
    return plain, written


def head_attention(model: MptForCausalLM, ids: torch.Tensor, layer: int, head: int, distance: int) -> float:
    with torch.inference_mode():
        weights = model(ids, output_attentions=True).attentions[layer][:, head]
    return torch.stack([weights[:, i, i - distance] for i in range(LENGTH + 8, 2 * LENGTH)]).mean().item()


def test_the_steepest_head_leaves_a_trail(alibi, repeated):
    _, written = alibi
    own = head_attention(written, repeated, layer=0, head=4, distance=0)
    for distance in (1, 2, 3):  # a slope of 1/2
        assert head_attention(written, repeated, 0, 4, distance) / own == pytest.approx(
            math.exp(-distance / 2), rel=0.01
        )


def test_the_flattest_head_attends_to_what_followed(alibi, repeated):
    plain, written = alibi
    followed = head_attention(written, repeated, layer=1, head=3, distance=LENGTH - 1)
    assert head_attention(plain, repeated, layer=1, head=3, distance=LENGTH - 1) < 0.05
    assert followed > 0.4
    assert followed > 5 * head_attention(written, repeated, layer=1, head=3, distance=LENGTH)


def test_an_unknown_architecture_is_refused():
    sizes = {"vocab_size": 50, "hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 2}
    config = MistralConfig(**sizes, num_attention_heads=4, num_key_value_heads=4)
    with pytest.raises(RecipeError, match="knows llama and mpt models, found model_type = 'mistral'; choose one"):
        write_induction(MistralForCausalLM(config))


@pytest.mark.parametrize(("layers", "heads"), [(1, 4), (2, 2)])
def test_too_small_a_network_is_refused(layers, heads):
    config = LlamaConfig(
        vocab_size=50, hidden_size=16, intermediate_size=16, num_hidden_layers=layers, num_attention_heads=heads
    )
    message = f"induction = true needs at least 2 layers and 3 heads, found {layers} and {heads}"
    with pytest.raises(RecipeError, match=message):
        write_induction(LlamaForCausalLM(config))
