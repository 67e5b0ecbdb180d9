"""Tiny random models of every family, and of everything a family's config can change about attention.

A family without a line here, and a method without parameters here, fail the matrix by name.
"""

import os
from functools import cache

import torch
from transformers import PreTrainedModel

from longsight.attention.layer import acting
from longsight.methods import METHODS, Method
from longsight.models.families import FAMILIES
from longsight.models.model import Model, adopt
from tests.longsight import tiny

TRAINED = 16
TEXT = 44
"""Tokens of a test text: nearly three trained lengths, so that every band and every eviction is met."""

SMALL = {
    "num_hidden_layers": 2,
    "max_position_embeddings": TRAINED,
    "initializer_range": 0.2,
    "tie_word_embeddings": False,
}
ROPE = {"rope_theta": 10000.0}


def scaled(kind: str, **more: object) -> dict:
    return {"rope_parameters": {**ROPE, "rope_type": kind, **more}}


STRETCHED = {"max_position_embeddings": 4 * TRAINED}
LLAMA3 = scaled(
    "llama3", factor=4.0, low_freq_factor=1.0, high_freq_factor=4.0, original_max_position_embeddings=TRAINED
)
YARN = scaled("yarn", factor=4.0, original_max_position_embeddings=TRAINED)

LONGROPE = {
    **STRETCHED, "original_max_position_embeddings": TRAINED,
    **scaled("longrope", short_factor=[1.0, 1.1, 1.3, 1.5], long_factor=[1.2, 2.5, 4.0, 8.0]),
}  # fmt: skip

EXPERTS = {
    **dict.fromkeys(("num_local_experts", "num_experts", "n_routed_experts", "moe_num_experts"), 4),
    **dict.fromkeys(("num_experts_per_tok", "num_experts_per_token", "moe_k"), 2),
    **dict.fromkeys(("moe_intermediate_size", "shared_expert_intermediate_size"), 24),
    "shared_intermediate_size": 24, "n_shared_experts": 1, "moe_num_shared_experts": 1, "num_shared_experts": 1,
    "head_dim": 8, "norm_topk_prob": True,
}  # fmt: skip
"""A mixture of experts, under every name that configs have for one."""

WINDOWED = {
    "sliding_window": 7, "sliding_window_pattern": 2, "layer_types": ["sliding_attention", "full_attention"],
    "head_dim": 8,
}  # fmt: skip
"""A layer with a window, and one that sees everything."""
CAPPED = {"attn_logit_softcapping": 2.0, "final_logit_softcapping": 30.0, "query_pre_attn_scalar": 8}
"""A cap that logits reach: they are about as large."""
TWO_ROPES = {
    "rope_parameters": {
        "sliding_attention": {"rope_type": "default", "rope_theta": 1000.0},
        "full_attention": YARN["rope_parameters"],
    },
    **STRETCHED,
}  # fmt: skip

MLA = {
    "kv_lora_rank": 12, "q_lora_rank": 10, "qk_nope_head_dim": 6, "qk_rope_head_dim": 4, "v_head_dim": 5,
    "n_group": 2, "topk_group": 1, "first_k_dense_replace": 1, "num_key_value_heads": 4, "head_dim": 4,
}  # fmt: skip
LATENT_YARN = {"rope_parameters": {**YARN["rope_parameters"], "mscale": 0.7, "mscale_all_dim": 1.0}}
HYBRID = {
    "layer_types": ["linear_attention", "full_attention", "linear_attention"], "num_hidden_layers": 3, "head_dim": 8,
    "linear_conv_kernel_dim": 3, "linear_key_head_dim": 8, "linear_value_head_dim": 6, "linear_num_key_heads": 2,
    "linear_num_value_heads": 4, "rms_norm_eps": 0.1, "rope_parameters": {**ROPE, "partial_rotary_factor": 0.5},
}  # fmt: skip
"""Norms that make less of rounding: in linear attention the stock model, read in two parts, differs from itself."""
SLIDING, FULL = WINDOWED["layer_types"]
GEMMA4 = {
    **WINDOWED, "global_head_dim": 16, "rms_norm_eps": 1.0,
    "hidden_size_per_layer_input": 4, "vocab_size_per_layer_input": tiny.VOCABULARY,
    "rope_parameters": {
        SLIDING: {"rope_type": "default", "rope_theta": 1000.0},
        FULL: {"rope_type": "proportional", "partial_rotary_factor": 0.5, "rope_theta": 10000.0},
    },
}  # fmt: skip
"""Norms that leave attention soft: sharp attention makes more of rounding than 1e-5, in the stock model too."""
GEMMA4_EXPERTS = {"enable_moe_block": True, "num_experts": 4, "top_k_experts": 2, "moe_intermediate_size": 24}
LLAMA4 = {
    **EXPERTS, "intermediate_size_mlp": 24, "num_experts_per_tok": 1, "moe_layers": [1], "no_rope_layers": [1, 0],
    "attention_chunk_size": 7, "floor_scale": 9, "attn_scale": 0.5,
}  # fmt: skip

VARIANTS: dict[str, tuple[str, dict]] = {
    "llama": ("llama", {}),
    "llama, every head its own keys": ("llama", {"num_key_value_heads": 4}),
    "llama, one key head": ("llama", {"num_key_value_heads": 1}),
    "llama, linear rope": ("llama", scaled("linear", factor=2.0)),
    "llama, llama3 rope": ("llama", {**STRETCHED, **LLAMA3}),
    "llama, yarn rope": ("llama", {**STRETCHED, **YARN}),
    "mistral": ("mistral", {"sliding_window": None}),
    "qwen2": ("qwen2", {}),
    "qwen3": ("qwen3", {"head_dim": 8}),
    "phi": ("phi", {"rope_parameters": {**ROPE, "partial_rotary_factor": 0.5}}),
    "phi, normalised queries": ("phi", {"qk_layernorm": True}),
    "phi3": ("phi3", {}),
    "phi3, part of the channels rotates": ("phi3", {"rope_parameters": {**ROPE, "partial_rotary_factor": 0.5}}),
    "phi3, a window longer than its training": ("phi3", {"sliding_window": TRAINED + 4}),
    "phi3, longrope": ("phi3", LONGROPE),
    "gemma": ("gemma", {"head_dim": 8}),
    "gpt_neox": ("gpt_neox", {"rope_parameters": {**ROPE, "partial_rotary_factor": 1.0}}),
    "gpt_neox, part of the channels rotates": (
        "gpt_neox", {"rope_parameters": {**ROPE, "partial_rotary_factor": 0.5}, "use_parallel_residual": False},
    ),
    "stablelm": ("stablelm", {"rope_parameters": {**ROPE, "partial_rotary_factor": 0.5}}),
    "stablelm, normalised queries": (
        "stablelm",
        {
            "qk_layernorm": True, "use_parallel_residual": True,
            "rope_parameters": {**ROPE, "partial_rotary_factor": 0.5},
        },
    ),
    "olmo": ("olmo", {"clip_qkv": 1.0}),
    "olmo2": ("olmo2", {}),
    "granite": ("granite", {"attention_multiplier": 0.3}),
    **{
        family: (family, EXPERTS)
        for family in (
            "qwen2_moe", "qwen3_moe", "olmoe", "flex_olmo", "granitemoe", "granitemoeshared", "glm4_moe", "dots1",
            "hy_v3", "minimax_m2", "sarvam_moe", "ernie4_5_moe", "phimoe", "jetmoe",
        )
    },
    "solar_open": ("solar_open", {**EXPERTS, "moe_intermediate_size": 32}),  # of 24, two experts tie but for rounding
    "mixtral": ("mixtral", {**EXPERTS, "sliding_window": None}),
    **{
        family: (family, {"head_dim": 8})
        for family in (
            "glm4", "ernie4_5", "helium", "arcee", "bitnet", "exaone", "hyperclovax", "internlm3", "iquestcoder",
            "jais2", "persimmon", "seed_oss",
        )
    },
    "starcoder2": ("starcoder2", {"sliding_window": None}),
    "apertus": ("apertus", {**STRETCHED, **LLAMA3}),
    "smollm3": ("smollm3", {"num_hidden_layers": 4, "no_rope_layer_interval": 2}),
    "cohere": ("cohere", {"logit_scale": 1.0}),
    "cohere, normalised queries": ("cohere", {"use_qk_norm": True, "logit_scale": 1.0}),
    "glm": ("glm", {"head_dim": 8}),
    "mistral, windows in every layer": ("mistral", {"sliding_window": 7}),
    "qwen2, windows in one layer": ("qwen2", {**WINDOWED, "use_sliding_window": True, "max_window_layers": 1}),
    "ministral": ("ministral", WINDOWED),
    "ministral3": (
        "ministral3", {**STRETCHED, "rope_parameters": {**YARN["rope_parameters"], "llama_4_scaling_beta": 0.5}},
    ),
    "llama4_text": ("llama4_text", LLAMA4),
    "llama4_text, one temperature": ("llama4_text", {**LLAMA4, "attn_temperature_tuning": False, "use_qk_norm": False}),
    "olmo3": ("olmo3", {**WINDOWED, **TWO_ROPES}),
    "gemma3_text": (
        "gemma3_text", {**WINDOWED, "query_pre_attn_scalar": 8, "rope_parameters": TWO_ROPES["rope_parameters"]},
    ),
    "gemma2": ("gemma2", {**WINDOWED, **CAPPED}),
    "deepseek_v2": ("deepseek_v2", {**EXPERTS, **MLA, **STRETCHED, **LATENT_YARN}),
    "deepseek_v3": ("deepseek_v3", {**EXPERTS, **MLA, **STRETCHED, **LATENT_YARN}),
    "deepseek_v3, halves of channels turn": ("deepseek_v3", {**EXPERTS, **MLA, "rope_interleave": False}),
    "youtu": ("youtu", MLA),
    "glm4_moe_lite": ("glm4_moe_lite", {**EXPERTS, **MLA}),
    "axk1": ("axk1", {**EXPERTS, **MLA}),
    "sarvam_mla": ("sarvam_mla", {**EXPERTS, **MLA}),
    "minicpm3": ("minicpm3", MLA),
    "qwen3_next": ("qwen3_next", {**EXPERTS, **HYBRID}),
    "qwen3_5_text": ("qwen3_5_text", HYBRID),
    "qwen3_5_moe_text": ("qwen3_5_moe_text", {**EXPERTS, **HYBRID}),
    "gemma4_text, layers that share keys": (
        "gemma4_text",
        {
            **GEMMA4, "num_hidden_layers": 5, "num_kv_shared_layers": 3,
            "layer_types": [SLIDING, FULL, SLIDING, FULL, FULL],
        },
    ),
    "gemma4_text, keys are values": (
        "gemma4_text", {**GEMMA4, "attention_k_eq_v": True, "num_global_key_value_heads": 1, **GEMMA4_EXPERTS},
    ),
    "vaultgemma": ("vaultgemma", {**WINDOWED, **CAPPED}),
    "gpt_oss": ("gpt_oss", {**EXPERTS, **WINDOWED, **STRETCHED, **YARN}),
    "cwm": ("cwm", {**WINDOWED, **STRETCHED, **LLAMA3}),
    "mimo_v2_flash": (
        "mimo_v2_flash",
        {
            **EXPERTS, **WINDOWED, "v_head_dim": 6,
            "rope_parameters": {
                kind: {**rope, "partial_rotary_factor": 0.5} for kind, rope in TWO_ROPES["rope_parameters"].items()
            },
        },
    ),
    "cohere2": ("cohere2", {**WINDOWED, "logit_scale": 1.0}),
    "cohere2_moe": ("cohere2_moe", {**EXPERTS, **WINDOWED, "logit_scale": 1.0}),
    "exaone4": ("exaone4", WINDOWED),
    "exaone4, no windows": (
        "exaone4", {**WINDOWED, "sliding_window": None, "layer_types": ["full_attention"] * 2},
    ),
    "exaone_moe": ("exaone_moe", {**EXPERTS, **WINDOWED}),
    "afmoe": ("afmoe", {**EXPERTS, **WINDOWED}),
    "granite_swa": ("granite_swa", {**WINDOWED, "attention_multiplier": 0.3, "layer_rope_theta": [1e3, 1e4]}),
    "granite_swa, one layer hears no positions": (
        "granite_swa", {**WINDOWED, "attention_multiplier": 0.3, "layer_rope_theta": [1e4, 0]},
    ),
    "granitemoe_swa": (
        "granitemoe_swa", {**EXPERTS, **WINDOWED, "attention_multiplier": 0.3, "layer_rope_theta": [1e3, 1e4]},
    ),
    "gptj": ("gptj", {"rotary_dim": 4}),
    "mpt": ("mpt", {"max_seq_len": TRAINED}),
    "mpt, six heads": (
        "mpt", {"max_seq_len": TRAINED, "num_attention_heads": 6, "hidden_size": 48, "attn_config": {"clip_qkv": 1.0}},
    ),
    "bloom": ("bloom", {"seq_length": TRAINED}),
    "bloom, six heads": ("bloom", {"seq_length": TRAINED, "num_attention_heads": 6, "hidden_size": 48}),
    "falcon": ("falcon", {"multi_query": True}),
    "falcon, every head its own keys": ("falcon", {"multi_query": False, "parallel_attn": False, "bias": True}),
    "falcon, new decoder": ("falcon", {"new_decoder_architecture": True, "num_kv_heads": 2}),
    "falcon, alibi": ("falcon", {"alibi": True, "multi_query": False}),
    "falcon, alibi, six heads": (
        "falcon", {"alibi": True, "multi_query": True, "num_attention_heads": 6, "hidden_size": 48},
    ),
}  # fmt: skip
"""name -> (family, what its config says besides the common shape)."""

ATTENTIONS = ["llama", "gpt_neox, part of the channels rotates", "cohere", "smollm3", "mpt, six heads", "falcon, alibi"]
ATTENTIONS += ["phi3, longrope", "olmo3", "gpt_oss", "cohere2", "mistral, windows in every layer"]
"""One variant for each way in which positions are heard, and by which layers: there a method of any name may go wrong.
What is done before or after, such as scaled queries, capped logits and keys made anew, meets a method of each kind."""

KINDS = ("lm-infinite", "self-extend", "dynamic-ntk", "yarn")
"""One method for each kind of rule: letting go of tokens, telling other distances, changing frequencies with the length
and once for all, with logits scaled. Fetching is another kind, and a test of its own."""

WHOLE = os.environ.get("LONGSIGHT_MATRIX") == "whole"
"""Whether the matrix is the product, every variant under every method, and not the design that covers it."""


def cells() -> list[tuple[str, str]]:
    """Every method for each kind of attention, every variant under each kind of rule. What a method is does not depend
    on how a family makes its queries and keys, so the other cells of the product hold no risk of their own."""
    return [(name, key) for name in VARIANTS for key in (METHODS if WHOLE or name in ATTENTIONS else KINDS)]


SEAMS = ATTENTIONS[:4]
SEAMS += [
    next(name for name in VARIANTS if VARIANTS[name][0] == family) for family in FAMILIES if FAMILIES[family].shim
]
"""One variant for each way into a model."""


def build(name: str) -> PreTrainedModel:
    """The stock model of a variant, with biases and norms that do something. The same weights at every call."""
    family, config = VARIANTS[name]
    hf = tiny.hf(family, **{**SMALL, **config})
    for parameter in hf.parameters():
        if parameter.ndim == 1:
            parameter.data += 0.1 * torch.randn_like(parameter)
    hf.generation_config.eos_token_id = None  # so that answers end where a test wants them to
    return hf


def stock(name: str) -> PreTrainedModel:
    """One copy that tests may patch and must leave as they found it."""
    return _unchanged(_stock(name))


def adopted(name: str) -> Model:
    """Another copy, behind the library's own interface."""
    model = _adopted(name)
    _unchanged(model.hf)
    return model


@cache
def _stock(name: str) -> PreTrainedModel:
    return build(name)


@cache
def _adopted(name: str) -> Model:
    return adopt(build(name), name=name)


def _unchanged(hf: PreTrainedModel) -> PreTrainedModel:
    assert (hf.dtype, hf.training) == (torch.float32, False), "a test has changed a model that all tests share"
    return hf


def method(key: str) -> Method:
    """A method with its defaults for a model trained on 16 tokens, whatever the variant's config says it was."""
    return METHODS[key].for_model(TRAINED, TEXT)


def applies(name: str, method: Method) -> bool:
    """Whether a method can have an effect on a variant."""
    if "windows in every layer" in name:
        return method.key in ("vanilla", "truncation")
    seam = adopted(name).seam
    if method.key == "duo" and not all(seam.heads[n] for n in acting(seam.layout)):
        return False
    encoding = adopted(name).position_encoding
    if encoding == "none":
        return method.key in VISIBILITY or method.log_n > 0
    return method.needs in (None, encoding)


VISIBILITY = (
    "vanilla",
    "window",
    "truncation",
    "lambda",
    "lm-infinite",
    "streaming-llm",
    "infllm",
    "reattention",
    "duo",
)
"""Methods that do something where no distance is heard: they change what is seen, or nothing at all."""
