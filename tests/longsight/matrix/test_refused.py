"""What a method would break is refused by name; and were it in the table by mistake, by what it asks attention for."""

import re

import pytest
import torch
from transformers import CONFIG_MAPPING, AutoConfig, AutoModelForCausalLM

from longsight.attention.chunk import Chunk
from longsight.errors import LongSightError
from longsight.generation.patching import patch
from longsight.methods import METHODS
from longsight.models.attention_seam import attention_function
from longsight.models.families import BEYOND, FAMILIES, Family, train_length
from longsight.models.model import adopt
from tests.longsight import tiny
from tests.longsight.matrix import cell, variants
from tests.longsight.matrix.variants import SMALL

ADDS_TO_ATTENTION = {
    "keys shared between layers": (
        "gemma3n_text", {"head_dim": 8, "num_kv_shared_layers": 1, "vocab_size_per_layer_input": 61},
    ),
    "positions that are learned": ("gpt2", {}),
}  # fmt: skip


@pytest.mark.parametrize("what", ADDS_TO_ATTENTION)
@pytest.mark.parametrize("door", [adopt, lambda hf: patch(hf, METHODS["vanilla"]())], ids=["adopt", "patch"])
@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_families_that_add_to_attention_are_refused_by_name(what, door):
    family, config = ADDS_TO_ATTENTION[what]
    hf = tiny.hf(family, **{**SMALL, **config})
    before = cell.state(hf)
    known = f"; LongSight knows {', '.join(sorted(FAMILIES))}"
    why = f": {BEYOND[family]}" if family in BEYOND else known
    with pytest.raises(LongSightError, match=rf"^{family} models are not supported{re.escape(why)}\.$"):
        door(hf)
    assert cell.state(hf) == before


@pytest.mark.parametrize("family", ["mistral", "phi3", "starcoder2"])
def test_where_every_layer_has_a_window_methods_are_refused(family, tmp_path):
    hf = tiny.hf(family, **{**SMALL, "sliding_window": 8})
    sentence = (
        f"SelfExtend can have no effect: every layer of this {type(hf).__name__} sees no more than its window of 8 "
        "tokens, as it was trained to; vanilla reads any length with it. "
        "(SelfExtend's authors load Mistral with sliding_window=None.)"
    )
    model = adopt(hf)
    with pytest.raises(LongSightError) as caught:
        model.logits(tiny.ids(3), METHODS["self-extend"](group=4, window=8))
    assert str(caught.value) == sentence
    assert model.cache_bytes(METHODS["vanilla"](), 100) == 8 * sum(model.bytes_per_slot)
    model.seam.close()
    hf.save_pretrained(tmp_path)
    adopt(AutoModelForCausalLM.from_pretrained(tmp_path, sliding_window=None))


def test_layers_of_other_kinds_are_refused():
    hf = tiny.hf("qwen2", **SMALL)
    hf.config.layer_types = ["full_attention", "chunked_attention"]
    with pytest.raises(
        LongSightError, match=r"^This qwen2 model has layers of chunked_attention; LongSight knows full_"
    ):
        adopt(hf)


def test_families_that_are_refused_by_name_exist_and_are_not_in_the_table():
    assert set(BEYOND) <= set(CONFIG_MAPPING)
    assert not set(BEYOND) & set(FAMILIES)


MISTAKEN = {
    "gemma2": ({"head_dim": 8, "sliding_window": 8}, r"Gemma2Attention asks attention for softcap=50.0, .*not honour"),
    "llama": ({"sliding_window": 8}, r"LlamaAttention asks attention for sliding_window=None, .*layer 0 has one of 8"),
}
"""Gemma 2 in the table, and a window in a config whose model has none."""


@pytest.mark.parametrize("family", MISTAKEN)
def test_a_family_listed_by_mistake_is_still_refused(family, monkeypatch):
    config, sentence = MISTAKEN[family]
    monkeypatch.setitem(FAMILIES, family, Family())
    monkeypatch.delitem(BEYOND, family, raising=False)
    hf = tiny.hf(family, **{**SMALL, **config})
    before = cell.state(hf)
    with pytest.raises(LongSightError, match=sentence):
        adopt(hf)
    assert cell.state(hf) == before


@pytest.mark.parametrize(
    "asked", [{"softcap": 50.0}, {"sliding_window": 128}, {"position_bias": torch.zeros(9)}],
    ids=lambda asked: next(iter(asked)),
)  # fmt: skip
def test_every_keyword_that_would_change_attention_is_refused_by_name(asked):
    module = variants.adopted("llama").hf.model.layers[0].self_attn
    cache = variants.adopted("llama").seam.new_cache(METHODS["vanilla"]())
    chunk = Chunk(variants.adopted("llama").seam.layout, cache)
    q = torch.zeros(1, 4, 3, 8)
    with pytest.raises(LongSightError, match=f"LlamaAttention asks attention for {next(iter(asked))}=.*not honour"):
        attention_function(module, q, q, q, None, 1.0, chunk=chunk, **asked)


def test_configs_that_scale_rope_keep_their_frequencies():
    for kind in ("linear", "llama3", "yarn"):
        model = variants.adopted(f"llama, {kind} rope")
        made = model.hf.model.rotary_emb.inv_freq.double()
        assert torch.equal(model.seam.encoding.inv_freq, made), kind
        assert not torch.equal(made, variants.adopted("llama").hf.model.rotary_emb.inv_freq.double()), kind


LLAMA31 = {"factor": 8.0, "high_freq_factor": 4.0, "low_freq_factor": 1.0, "original_max_position_embeddings": 8192}
LINEAR = {"type": "linear", "factor": 4.0}
PUBLISHED = {
    "Llama-2-7B": ({"max_position_embeddings": 4096}, 4096),
    "Llama-3.1-8B": (
        {"max_position_embeddings": 131072, "rope_scaling": {**LLAMA31, "rope_type": "llama3"}}, 131072,
    ),
    "Llama-3.2-1B": (
        {"max_position_embeddings": 131072, "rope_scaling": {**LLAMA31, "rope_type": "llama3", "factor": 32.0}}, 131072,
    ),
    "LLaMA-2-7B-32K": ({"max_position_embeddings": 32768, "rope_scaling": {**LINEAR, "factor": 8.0}}, 32768),
    "Vicuna-7B-16k": (
        {"max_position_embeddings": 4096, "max_sequence_length": 16384, "rope_scaling": LINEAR}, 16384,
    ),
    "Chinese-LLaMA-2-7B-64K": (
        {
            "max_position_embeddings": 65536,
            "rope_scaling": {"type": "yarn", "factor": 16.0, "original_max_position_embeddings": 4096},
        },
        65536,
    ),
    "Qwen2.5-7B with YaRN as on its card": (
        {
            "max_position_embeddings": 32768,
            "rope_scaling": {"type": "yarn", "factor": 4.0, "original_max_position_embeddings": 32768},
        },
        131072,
    ),
}  # fmt: skip
"""What configs on the Hub say, and the length that we read out of them."""


@pytest.mark.parametrize("name", PUBLISHED)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_configs_that_scale_rope_know_their_length(name):
    said, length = PUBLISHED[name]
    assert train_length(AutoConfig.for_model("llama", **said)) == length
