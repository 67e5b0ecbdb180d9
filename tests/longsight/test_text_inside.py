"""Of checkpoints of models that read images too, the text model inside is loaded, whole and alone."""

import json
import re

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoConfig, AutoModelForImageTextToText

from longsight.errors import LongSightError
from longsight.methods import METHODS
from longsight.models.families import FAMILIES
from longsight.models.model import adopt, load
from longsight.models.registry import check_config
from longsight.models.text_inside import HOLDS_TEXT
from tests.longsight import tiny
from tests.longsight.matrix import cell, variants
from tests.longsight.matrix.variants import SMALL, TEXT

INSIDE = {
    "gemma3": "gemma3_text",
    "gemma4": "gemma4_text, layers that share keys",
    "llama4": "llama4_text",
    "mistral3": "ministral3",
    "qwen3_5": "qwen3_5_text",
    "qwen3_5_moe": "qwen3_5_moe_text",
}
"""What holds a text -> the variant that the text is."""
EYES = {
    **dict.fromkeys(("hidden_size", "intermediate_size", "vision_output_dim", "projector_input_dim"), 16),
    **dict.fromkeys(("num_hidden_layers", "depth"), 1), **dict.fromkeys(("num_attention_heads", "num_heads"), 2),
    "num_key_value_heads": 2, "head_dim": 8, "image_size": 28, "patch_size": 14, "out_hidden_size": 32,
    "projector_output_dim": 16,
}  # fmt: skip


def seeing(outer):
    """A tiny model of this type that reads images too."""
    family, said = variants.VARIANTS[INSIDE[outer]]
    text = {**tiny.SHAPE, **SMALL, **said, "model_type": family}
    eyes = {**EYES, "model_type": "pixtral"} if outer == "mistral3" else EYES
    torch.manual_seed(0)
    config = AutoConfig.for_model(outer, text_config=text, vision_config=eyes, tie_word_embeddings=False)
    return AutoModelForImageTextToText.from_config(config).eval()


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    made = {}
    for outer in INSIDE:
        made[outer] = tmp_path_factory.mktemp(outer)
        seeing(outer).save_pretrained(made[outer])
    return made


def test_all_that_hold_a_text_are_tried():
    assert set(INSIDE) == HOLDS_TEXT
    assert not HOLDS_TEXT & set(FAMILIES)


@pytest.mark.parametrize("outer", INSIDE)
def test_the_text_model_inside_is_the_one_that_reads(outer, folders):
    hf, text, method = seeing(outer), tiny.ids(TEXT), variants.method("self-extend")
    model = load(folders[outer])
    assert model.hf.config.model_type == variants.VARIANTS[INSIDE[outer]][0]
    assert model.train_length == check_config(folders[outer])
    stock = (hf.language_model if outer == "llama4" else hf)(input_ids=text[None]).logits[0]
    torch.testing.assert_close(model.logits(text, METHODS["vanilla"]()), stock, atol=1e-5, rtol=0)
    if model.position_encoding == "rope":
        cell.close(model.logits(text, method), cell.defined(model, text, method), "the text inside")


@pytest.mark.parametrize("outer", ["gemma3", "qwen3_5"])
def test_the_whole_is_refused_with_the_way_to_the_text(outer):
    hf = seeing(outer)
    sentence = f"{outer} models are not supported: they read images too; longsight.load takes the text model that is"
    with pytest.raises(LongSightError, match=re.escape(sentence)):
        adopt(hf)


def changed(folder, to, change):
    """A copy of the checkpoint whose weights are changed."""
    weights = load_file(folder / "model.safetensors")
    change(weights)
    save_file(weights, to / "model.safetensors", metadata={"format": "pt"})
    (to / "config.json").write_text((folder / "config.json").read_text())
    return to


def test_a_text_that_is_not_all_there_or_another_is_refused(folders, tmp_path):
    def without(weights):
        del weights["language_model.model.layers.0.self_attn.q_proj.weight"]

    with pytest.raises(LongSightError, match=r"1 of its weights are missing, the first is model\.layers\.0\.self_attn"):
        load(changed(folders["gemma3"], tmp_path, without))

    def deeper(weights):
        weights["language_model.model.layers.2.self_attn.q_proj.weight"] = torch.zeros(2, 2)

    with pytest.raises(LongSightError, match=r"1 of the weights have no place in it, the first is model\.layers\.2"):
        load(changed(folders["gemma3"], tmp_path, deeper))


def test_the_length_is_what_the_file_says_of_the_text(folders, tmp_path):
    said = json.loads((folders["gemma3"] / "config.json").read_text())
    del said["text_config"]["max_position_embeddings"]
    (tmp_path / "config.json").write_text(json.dumps(said))
    with pytest.raises(LongSightError, match="This gemma3_text config has no max_position_embeddings"):
        check_config(tmp_path)
