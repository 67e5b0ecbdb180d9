"""Folders become models, or one sentence."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from longsight.errors import LongSightError
from longsight.methods import METHODS
from longsight.models.model import load
from tests.longsight import tiny
from tests.longsight.tiny import TRAINED, defaults, ids


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A checkpoint without a tokenizer."""
    path = tmp_path_factory.mktemp("models") / "tiny-llama"
    tiny.hf().save_pretrained(path)
    return path


def copied(folder, to, **config):
    """A copy of the checkpoint whose config says something else."""
    shutil.copytree(folder, to)
    path = to / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | config))
    return to


def test_a_folder_without_a_tokenizer_loads_and_reads_ids(folder):
    model = load(folder)
    assert model.tokenizer is None
    assert (model.name, model.train_length, model.position_encoding) == ("tiny-llama", TRAINED, "rope")
    assert (model.dtype, model.device.type, model.recommended) == (torch.float32, "cpu", {})
    torch.testing.assert_close(
        model.logits(ids(60), defaults("vanilla")), tiny.hf()(input_ids=ids(60)[None]).logits[0], atol=1e-5, rtol=0
    )


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float64])
def test_weights_come_in_the_dtype_asked_for(folder, dtype):
    assert load(str(folder), dtype=dtype).logits(ids(5), defaults("vanilla")).dtype == dtype


def test_what_the_makers_recommend_lies_beside_the_weights(folder, tmp_path):
    path = copied(folder, tmp_path / "advised")
    (path / "longsight.json").write_text(json.dumps({"recommended": {"self-extend": {"group": 2, "window": 6}}}))
    model = load(path)
    assert model.method("self-extend", 500) == METHODS["self-extend"](group=2, window=6)
    assert model.method("window", 500) == defaults("window")


def test_pickled_weights_are_never_opened(folder, tmp_path):
    path = copied(folder, tmp_path / "pickled")
    (path / "model.safetensors").unlink()
    torch.save(tiny.hf().state_dict(), path / "pytorch_model.bin")
    with pytest.raises(LongSightError, match=rf"{path} cannot be loaded: .*never opened, so save .* safetensors\.$"):
        load(path)


@pytest.mark.parametrize("source", ["/nowhere/at/all", "./not here", "nowhere/", "no/such/folder", Path("nowhere")])
def test_a_folder_that_is_not_there_is_called_that(source):
    with pytest.raises(LongSightError, match=rf"{source} cannot be loaded: there is no such folder"):
        load(source)


def test_an_empty_folder_is_one_sentence(tmp_path):
    with pytest.raises(LongSightError, match=rf"{tmp_path} cannot be loaded: .*config.json") as caught:
        load(tmp_path)
    assert "\n" not in str(caught.value)


def test_a_config_that_is_no_config_is_one_sentence(tmp_path):
    (tmp_path / "config.json").write_text("not json")
    with pytest.raises(LongSightError, match="cannot be loaded: ") as caught:
        load(tmp_path)
    assert "\n" not in str(caught.value)


def test_weights_that_are_no_weights_are_one_sentence(folder, tmp_path):
    path = copied(folder, tmp_path / "broken")
    (path / "model.safetensors").write_bytes(b"not safetensors at all")
    with pytest.raises(LongSightError, match=rf"{path} cannot be loaded: ") as caught:
        load(path)
    assert "\n" not in str(caught.value)


def test_weights_that_are_not_all_there_are_refused_and_never_made_up(folder, tmp_path):
    path = copied(folder, tmp_path / "partial")
    weights = load_file(path / "model.safetensors")
    del weights["model.layers.1.self_attn.q_proj.weight"]
    save_file(weights, path / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(
        LongSightError,
        match=rf"{path} cannot be loaded: 1 of its weights are missing, the first is model.layers.1",
    ):
        load(path)


def test_weights_that_have_no_place_in_the_model_are_refused(folder, tmp_path):
    path = copied(folder, tmp_path / "shallow", num_hidden_layers=1)
    with pytest.raises(LongSightError, match=r"another model; \d+ of the weights .*, the first is model\.layers\.1"):
        load(path)


def test_what_old_checkpoints_keep_beside_their_weights_is_no_reason_to_refuse_them(folder, tmp_path):
    path = copied(folder, tmp_path / "old")
    weights = load_file(path / "model.safetensors")
    weights["model.layers.0.self_attn.rotary_emb.inv_freq"] = torch.ones(4)
    save_file(weights, path / "model.safetensors", metadata={"format": "pt"})
    assert load(path).train_length == TRAINED


def test_a_trained_length_that_cannot_be_is_refused(folder, tmp_path):
    path = copied(folder, tmp_path / "boasting", max_position_embeddings=10**12)
    with pytest.raises(LongSightError, match="trained on 1,000,000,000,000 tokens; none was on more than 100,000,000"):
        load(path)


@pytest.mark.parametrize("config", [
    {"intermediate_size": 20}, {"num_attention_heads": 3}, {"hidden_act": "nonsense"}, {"vocab_size": "many"},
    {"model_type": "unheard-of"},
])  # fmt: skip
def test_a_config_that_contradicts_itself_or_its_weights_is_one_sentence(folder, tmp_path, config):
    path = copied(folder, tmp_path / "contradictory", **config)
    with pytest.raises(LongSightError, match=rf"{path} cannot be loaded: ") as caught:
        load(path)
    assert "\n" not in str(caught.value)


def test_a_hub_id_that_cannot_be_had_is_one_sentence():
    with pytest.raises(LongSightError, match=r"nobody/nothing-of-the-kind cannot be loaded: ") as caught:
        load("nobody/nothing-of-the-kind")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("said", [{"max_position_embeddings": 0}, {"max_position_embeddings": -5}, {}], ids=str)
def test_a_config_without_a_trained_length_is_refused_before_its_weights_are_read(folder, tmp_path, said):
    """Transformers would make one up where the config says nothing."""
    path = copied(folder, tmp_path / "lengthless")
    config = json.loads((path / "config.json").read_text())
    del config["max_position_embeddings"]
    (path / "config.json").write_text(json.dumps(config | said))
    (path / "model.safetensors").unlink()
    with pytest.raises(LongSightError, match="has no max_position_embeddings, so LongSight cannot know .*config.json"):
        load(path)


@pytest.mark.parametrize(
    "files",
    [
        {"tokenizer.json": "not json"},
        {"tokenizer.json": "{}"},
        {"tokenizer_config.json": '{"tokenizer_class": "Unheard", "auto_map": {"AutoTokenizer": ["mine.Mine", null]}}'},
        {"vocab.json": "{}", "merges.txt": ""},
        {"spiece.model": "nonsense"},
    ],
    ids=lambda files: " and ".join(files),
)
def test_a_tokenizer_that_cannot_be_read_is_one_sentence_and_never_passed_over(folder, tmp_path, files):
    path = copied(folder, tmp_path / "unreadable")
    for name, text in files.items():
        (path / name).write_text(text)
    with pytest.raises(LongSightError, match=rf"The tokenizer of {path} cannot be loaded: \S") as caught:
        load(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("kind", ["gptq", "torchao"])
def test_a_quantisation_whose_library_is_not_there_is_one_sentence(folder, tmp_path, kind):
    path = copied(folder, tmp_path / kind, quantization_config={"quant_method": kind, "bits": 4})
    with pytest.raises(LongSightError, match=rf"{path} cannot be loaded: .*(optimum|torchao)"):
        load(path)


@pytest.mark.parametrize("advice", ["no json", "[1]", '{"recommended": {"lm-infinite": {"size": 3}}}', '{"chosen": 1}'])
def test_advice_that_is_none_is_refused(folder, tmp_path, advice):
    path = copied(folder, tmp_path / "misled")
    (path / "longsight.json").write_text(advice)
    with pytest.raises(LongSightError, match=r"longsight\.json does not say which parameters .* \(.*\); remove it"):
        load(path)


@pytest.mark.parametrize("device", ["toaster", "meta", *([] if torch.cuda.is_available() else ["cuda"])])
def test_a_device_that_is_not_there_is_one_sentence(folder, device):
    with pytest.raises(LongSightError, match=rf"The device '{device}' cannot be used: .*'cpu' works"):
        load(folder, device=device)
