"""What a config says that is not understood, and no patch silently does nothing. Families are the matrix's business."""

import pytest
import torch
from transformers import AutoModelForCausalLM

from longsight.errors import LongSightError
from longsight.generation.patching import patch, unpatch
from longsight.methods import METHODS
from longsight.models.families import Family, family_of
from longsight.models.model import adopt
from longsight.models.seam import open_seam
from tests.longsight import tiny
from tests.longsight.tiny import TRAINED, ids

DYNAMIC = {"rope_type": "dynamic", "factor": 2.0, "rope_theta": 1e4}

REFUSED = {
    "llama with dynamic frequencies": (
        "llama", {"rope_parameters": DYNAMIC},
        "uses RoPE of type 'dynamic', whose frequencies change with the length; LongSight handles default, linear",
    ),
    "mpt without alibi": ("mpt", {"attn_config": {"alibi": False}}, "This mpt model has no ALiBi"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_what_is_not_understood_is_refused_by_name_and_left_as_it_was(name):
    family, config, sentence = REFUSED[name]
    hf = tiny.hf(family, **config)
    before = hf(input_ids=ids(9)[None]).logits
    with pytest.raises(LongSightError, match=sentence):
        adopt(hf)
    assert torch.equal(hf(input_ids=ids(9)[None]).logits, before)


# Nothing is done silently


def test_a_patched_model_called_directly_says_how_to_call_it():
    model = tiny.model()
    with pytest.raises(LongSightError, match=r"read with longsight\.prefill or Model\.logits.*seam\.close\(\)"):
        model.hf(input_ids=ids(5)[None])


@pytest.mark.parametrize("first", ["adopt", "patch"])
@pytest.mark.parametrize("second", ["adopt", "patch"])
def test_a_model_that_is_patched_already_says_how_to_have_it_back(first, second):
    doors = {"adopt": adopt, "patch": lambda hf: patch(hf, METHODS["vanilla"]())}
    hf = tiny.hf()
    made = doors[first](hf)
    if first == second == "patch":
        assert doors[second](hf) is hf, "a second patch replaces the first"
        return
    with pytest.raises(LongSightError, match=r"is patched by LongSight already; .* unpatch\(hf_model\) after patch"):
        doors[second](hf)
    unpatch(hf) if first == "patch" else made.seam.close()
    doors[second](hf)


def test_a_model_whose_layers_the_patch_does_not_reach_is_refused(monkeypatch):
    """As when a new release of transformers computes attention elsewhere."""
    hf = tiny.hf()
    layer = hf.model.layers[1].self_attn
    monkeypatch.setattr(layer, "forward", lambda hidden_states, **kwargs: (hidden_states, None))
    with pytest.raises(LongSightError, match="LlamaForCausalLM: the method reached 2 of 3 layers; the model cannot be"):
        adopt(hf)
    assert hf.config._attn_implementation == "sdpa"


def test_a_model_that_the_patch_would_change_is_refused_with_the_difference(monkeypatch):
    """As when a family turns its channels in another way than we believe."""
    wrong = Family(encoding=lambda hf, layer: family_of(hf.config).encoding(tiny.hf(rope_theta=50.0), layer))
    hf = tiny.hf()
    monkeypatch.setattr("longsight.models.seam.family_of", lambda config: wrong)
    before = hf(input_ids=ids(9)[None]).logits
    with pytest.raises(LongSightError, match=r"patched, its logits differ from the stock model by \d.*refuses it"):
        adopt(hf)
    monkeypatch.undo()
    assert torch.equal(hf(input_ids=ids(9)[None]).logits, before)


def test_retrieval_from_a_layer_that_does_not_exist_is_refused(grouped):
    method = METHODS["lm-infinite"](window=TRAINED, top_k=5, from_layer=3)
    with pytest.raises(LongSightError, match=r"from_layer = 3, but LlamaForCausalLM has only layers 0 to 2"):
        grouped.logits(ids(40), method)


def test_closing_the_seam_restores_the_model_exactly():
    hf, stock = tiny.hf(), tiny.hf()
    attributes, rotary = set(vars(hf)), hf.model.rotary_emb
    seam = open_seam(hf)
    seam.close()
    assert torch.equal(hf(input_ids=ids(80)[None]).logits, stock(input_ids=ids(80)[None]).logits)
    assert set(vars(hf)) == attributes
    assert hf.model.rotary_emb is rotary
    assert hf.config._attn_implementation == stock.config._attn_implementation == "sdpa"
    assert type(hf).forward is AutoModelForCausalLM._model_mapping[type(hf.config)].forward
