"""What a method would break is refused by name; and were it in the table by mistake, by what it asks attention for."""

import pytest
import torch

from engine.errors import LongSightError
from engine.families import FAMILIES, Family
from engine.methods import METHODS
from engine.models import adopt
from engine.patching import patch
from engine.seam import Chunk, attention_function
from tests.engine import tiny
from tests.engine.matrix import cell, variants
from tests.engine.matrix.variants import SMALL

FULL = ["full_attention"] * 2
ADDS_TO_ATTENTION = {
    "logits that are capped": ("gemma2", {"head_dim": 8}),
    "sinks that are parameters": ("gpt_oss", {"head_dim": 8, "num_local_experts": 2, "num_experts_per_tok": 1}),
    "windows in some layers": ("cohere2", {}),
    "windows and two kinds of rotation": ("gemma3_text", {"head_dim": 8}),
    "keys shared between layers": (
        "gemma3n_text", {"head_dim": 8, "num_kv_shared_layers": 1, "vocab_size_per_layer_input": 61},
    ),
    "windows in every layer": ("starcoder2", {"sliding_window": 8}),
    "positions that are learned": ("gpt2", {}),
}  # fmt: skip


@pytest.mark.parametrize("what", ADDS_TO_ATTENTION)
@pytest.mark.parametrize("door", [adopt, lambda hf: patch(hf, METHODS["vanilla"]())], ids=["adopt", "patch"])
@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_families_that_add_to_attention_are_refused_by_name(what, door):
    family, config = ADDS_TO_ATTENTION[what]
    hf = tiny.hf(family, **{**SMALL, **config})
    before = cell.state(hf)
    known = ", ".join(sorted(FAMILIES))
    with pytest.raises(LongSightError, match=rf"^{family} models are not supported; LongSight knows {known}\.$"):
        door(hf)
    assert cell.state(hf) == before


@pytest.mark.parametrize("family", ["mistral", "phi3"])
def test_a_window_in_every_layer_is_refused(family):
    sentence = (
        f"This {family} model was trained with a sliding window of 8 tokens, which a method would break; "
        "LongSight needs full attention in every layer."
    )
    with pytest.raises(LongSightError) as caught:
        adopt(tiny.hf(family, **{**SMALL, "sliding_window": 8}))
    assert str(caught.value) == sentence


MISTAKEN = {
    "cohere2": ({"sliding_window": 8}, "This cohere2 model was trained with a sliding window of 8 tokens"),
    "gpt_oss": (
        {**ADDS_TO_ATTENTION["sinks that are parameters"][1], "layer_types": FULL},
        r"GptOssAttention asks attention for s_aux=a tensor of shape \(4,\), .*which LongSight does not honour",
    ),
}


@pytest.mark.parametrize("family", MISTAKEN)
def test_a_family_listed_by_mistake_is_still_refused(family, monkeypatch):
    config, sentence = MISTAKEN[family]
    monkeypatch.setitem(FAMILIES, family, Family())
    hf = tiny.hf(family, **{**SMALL, **config})
    before = cell.state(hf)
    with pytest.raises(LongSightError, match=sentence):
        adopt(hf)
    assert cell.state(hf) == before


@pytest.mark.parametrize(
    "asked", [{"softcap": 50.0}, {"sliding_window": 128}, {"s_aux": torch.zeros(4)}, {"position_bias": torch.zeros(9)}],
    ids=lambda asked: next(iter(asked)),
)  # fmt: skip
def test_every_keyword_that_would_change_attention_is_refused_by_name(asked):
    module = variants.adopted("llama").hf.model.layers[0].self_attn
    cache = variants.adopted("llama").seam.new_cache(METHODS["vanilla"]())
    chunk = Chunk(cache.method, variants.adopted("llama").seam.encoding, cache)
    q = torch.zeros(1, 4, 3, 8)
    with pytest.raises(LongSightError, match=f"LlamaAttention asks attention for {next(iter(asked))}=.*not honour"):
        attention_function(module, q, q, q, None, 1.0, chunk=chunk, **asked)


def test_configs_that_scale_rope_keep_their_frequencies_and_know_their_length():
    """The variants' trained length is 16; linear scaling by 2 doubles it, yarn by 4 quadruples it, llama3 is told."""
    lengths = {"linear": 32, "llama3": 64, "yarn": 64}
    for kind, length in lengths.items():
        model = variants.adopted(f"llama, {kind} rope")
        assert model.train_length == length, kind
        made = model.hf.model.rotary_emb.inv_freq.double()
        assert torch.equal(model.seam.encoding.inv_freq, made), kind
        assert not torch.equal(made, variants.adopted("llama").hf.model.rotary_emb.inv_freq.double()), kind
