"""The families of models that are understood: one line each, and no copy of anyone's forward function.

Most go through transformers' attention interface and need only to say how they pair rotating channels. The older ones
compute attention themselves; for these the table says how a layer makes its queries, keys and values, and how it
finishes, and `seam.py` puts attention in between.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from transformers import PretrainedConfig, PreTrainedModel
from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS

from longsight.attention.alibi import Alibi, slopes, slopes_by_halves
from longsight.attention.encoding import Encoding
from longsight.attention.rope import Rotary
from longsight.errors import LongSightError

Heads = tuple[Tensor, Tensor, Tensor]
"""Unrotated queries, keys and values, (batch, head, token, channel) each."""


@dataclass(frozen=True)
class Shim:
    """A layer outside the attention interface: where its attention module lives in a block, and its two ends."""

    blocks: str
    attention: str
    heads: Callable[[nn.Module, Tensor], Heads]
    finish: Callable[[nn.Module, Tensor, tuple], Tensor]  # (module, merged heads, further positional arguments)
    scaling: Callable[[nn.Module], float]


def frequencies(hf: PreTrainedModel) -> Tensor:
    """RoPE's frequencies (rotary_dim / 2,) float64, as the model made them."""
    made = hf.base_model.rotary_emb
    if made.inv_freq.dtype.itemsize >= 4:
        return made.inv_freq.detach().double()
    # `model.to(bfloat16)` has rounded them, which is wrong by whole turns far out: they are made once more
    make = made.compute_default_rope_parameters if made.rope_type == "default" else ROPE_INIT_FUNCTIONS[made.rope_type]
    return make(hf.config)[0].double()


def rotary(hf: PreTrainedModel) -> Encoding:
    """Halves of the rotating channels paired."""
    return Rotary(frequencies(hf))


def interleaved_rotary(hf: PreTrainedModel) -> Encoding:
    """Neighbouring channels paired."""
    return Rotary(frequencies(hf), interleaved=True)


def gptj_rotary(hf: PreTrainedModel) -> Encoding:
    """GPT-J keeps a table of sines and no frequencies: 10000 ** (-2f / rotary_dim), neighbouring channels paired."""
    channels = hf.config.rotary_dim or hf.config.hidden_size
    return Rotary(1e4 ** (-torch.arange(0, channels, 2, dtype=torch.float64) / channels), interleaved=True)


def falcon_encoding(hf: PreTrainedModel) -> Encoding:
    """ALiBi, scaled like the logits it is added to, or rotary."""
    config = hf.config
    if not config.alibi:
        return rotary(hf)
    return Alibi(
        slopes_by_halves(config.num_attention_heads) / math.sqrt(config.hidden_size // config.num_attention_heads)
    )


@dataclass(frozen=True)
class Family:
    """What LongSight must know about one `model_type`."""

    encoding: Callable[[PreTrainedModel], Encoding] = rotary
    shim: Shim | None = None
    train_length: str = "max_position_embeddings"
    nope_layers: Callable[[PretrainedConfig], frozenset[int]] = lambda config: frozenset()
    """NoPE layers: those without any position encoding (Kazemnejad et al. 2023, arXiv 2305.19466)."""


def _split(x: Tensor, heads: int) -> Tensor:
    """(batch, token, head * channel) -> (batch, head, token, channel)."""
    return x.unflatten(-1, (heads, -1)).transpose(1, 2)


def _gptj_heads(module: nn.Module, x: Tensor) -> Heads:
    return tuple(_split(make(x), module.num_attention_heads) for make in (module.q_proj, module.k_proj, module.v_proj))


def _mpt_heads(module: nn.Module, x: Tensor) -> Heads:
    qkv = module.Wqkv(x)
    if module.clip_qkv:
        qkv = qkv.clamp(-module.clip_qkv, module.clip_qkv)
    return tuple(_split(part, module.n_heads) for part in qkv.chunk(3, dim=-1))


def _stablelm_heads(module: nn.Module, x: Tensor) -> Heads:
    q = _split(module.q_proj(x), module.num_heads)
    k, v = (_split(make(x), module.num_key_value_heads) for make in (module.k_proj, module.v_proj))
    return (module.q_layernorm(q), module.k_layernorm(k), v) if module.qk_layernorm else (q, k, v)


def _bloom_heads(module: nn.Module, x: Tensor) -> Heads:
    return module._reshape(module.query_key_value(x))


def _falcon_heads(module: nn.Module, x: Tensor) -> Heads:
    return tuple(part.transpose(1, 2) for part in module._split_heads(module.query_key_value(x)))


GPTJ = Shim("h", "attn", _gptj_heads, lambda module, x, rest: module.out_proj(x), lambda module: module.head_dim**-0.5)
MPT = Shim(
    "blocks", "attn", _mpt_heads, lambda module, x, rest: module.out_proj(x), lambda module: module.softmax_scale
)
STABLELM = Shim(
    "layers", "self_attn", _stablelm_heads, lambda module, x, rest: module.o_proj(x), lambda module: module.scaling
)  # its model does not hand keywords down to its layers
BLOOM = Shim(
    "h", "self_attention", _bloom_heads,
    lambda module, x, rest: module.dense(x) + rest[0], lambda module: module.inv_norm_factor,
)  # fmt: skip
FALCON = Shim(
    "h", "self_attention", _falcon_heads, lambda module, x, rest: module.dense(x), lambda module: module.inv_norm_factor
)


def _mpt_alibi(hf: PreTrainedModel) -> Encoding:
    if not hf.config.attn_config.alibi:
        raise LongSightError("This mpt model has no ALiBi (attn_config.alibi is false), so no distance to repair.")
    return Alibi(slopes(hf.config.n_heads, hf.config.attn_config.alibi_bias_max))


def _smollm3_nope(config: PretrainedConfig) -> frozenset[int]:
    return frozenset(layer for layer, hears in enumerate(config.no_rope_layers) if not hears)


FAMILIES: dict[str, Family] = {
    "llama": Family(),
    "mistral": Family(),
    "mixtral": Family(),
    "qwen2": Family(),
    "qwen2_moe": Family(),
    "qwen3": Family(),
    "qwen3_moe": Family(),
    "phi": Family(),
    "phi3": Family(),
    "phimoe": Family(),
    "gemma": Family(),
    "gpt_neox": Family(),
    "stablelm": Family(shim=STABLELM),
    "starcoder2": Family(),
    "persimmon": Family(),
    "olmo": Family(),
    "olmo2": Family(),
    "olmoe": Family(),
    "flex_olmo": Family(),
    "granite": Family(),
    "granitemoe": Family(),
    "granitemoeshared": Family(),
    "smollm3": Family(nope_layers=_smollm3_nope),
    "cohere": Family(interleaved_rotary),
    "glm": Family(interleaved_rotary),
    "glm4": Family(interleaved_rotary),
    "glm4_moe": Family(),
    "ernie4_5": Family(interleaved_rotary),
    "ernie4_5_moe": Family(interleaved_rotary),
    "helium": Family(interleaved_rotary),
    "apertus": Family(),
    "arcee": Family(),
    "bitnet": Family(),
    "dots1": Family(),
    "exaone": Family(),
    "hy_v3": Family(),
    "hyperclovax": Family(),
    "internlm3": Family(),
    "iquestcoder": Family(),
    "jais2": Family(),
    "jetmoe": Family(),
    "minimax_m2": Family(),
    "sarvam_moe": Family(),
    "seed_oss": Family(),
    "solar_open": Family(),
    "gptj": Family(gptj_rotary, GPTJ),
    "mpt": Family(_mpt_alibi, MPT, train_length="max_seq_len"),
    "bloom": Family(lambda hf: Alibi(slopes_by_halves(hf.config.n_head)), BLOOM, train_length="seq_length"),
    "falcon": Family(falcon_encoding, FALCON),
}
"""`model_type` -> what must be known. Anything else is refused by name."""

LONGEST = 100_000_000
"""Tokens: ten times what any config of a published model says."""

STATIC_ROPE = {"default", "linear", "llama3", "yarn"}
"""RoPE types whose frequencies do not depend on the length of the text."""


def family_of(config: PretrainedConfig) -> Family:
    """The family of a config; LongSightError, by name, for a model whose attention is not understood."""
    name = config.model_type
    if name not in FAMILIES:
        raise LongSightError(f"{name} models are not supported; LongSight knows {', '.join(sorted(FAMILIES))}.")
    rope_type = (getattr(config, "rope_parameters", None) or {}).get("rope_type", "default")
    if rope_type not in STATIC_ROPE:
        raise LongSightError(
            f"This {name} model uses RoPE of type {rope_type!r}, whose frequencies change with the length; "
            f"LongSight handles {', '.join(sorted(STATIC_ROPE))}."
        )
    # Qwen configs name a window that their layer types do not use; Phi-3, Mistral and StarCoder pass theirs on always.
    layer_types = getattr(config, "layer_types", None)
    window = getattr(config, "sliding_window", None)
    if window is not None and (layer_types is None or "sliding_attention" in layer_types):
        way_out = " (SelfExtend's authors load Mistral with sliding_window=None.)" if layer_types is None else ""
        raise LongSightError(
            f"This {name} model was trained with a sliding window of {window:,} tokens, which a method would break; "
            f"LongSight needs full attention in every layer.{way_out}"
        )
    return FAMILIES[name]


def train_length(config: PretrainedConfig) -> int:
    """The length [tokens] a model was trained for, counted in the positions of its own, perhaps scaled, RoPE.

    Where a config scales RoPE it may state the scaled length (Llama-3.1, LLaMA-2-7B-32K), the original one with a
    factor (YaRN), or the original one and the scaled one under another name (Vicuna-16k). A factor alone says nothing:
    taken at its word, it would make LLaMA-2-7B-32K a model of 256K. Raises LongSightError when the config says nothing.
    """
    found = getattr(config, family_of(config).train_length, None)
    if not found or found < 1:
        raise LongSightError(
            f"This {config.model_type} config has no {family_of(config).train_length}, so LongSight cannot know the "
            "length it was trained for; write it into config.json."
        )
    if found > LONGEST:
        raise LongSightError(
            f"This {config.model_type} config says that the model was trained on {found:,} tokens; "
            f"none was on more than {LONGEST:,}."
        )
    rope = getattr(config, "rope_parameters", None) or {}
    scaled = (rope.get("original_max_position_embeddings") or 0) * (rope.get("factor") or 1)
    said = {"linear": getattr(config, "max_sequence_length", None) or scaled, "yarn": scaled}
    return max(found, round(said.get(rope.get("rope_type", ""), 0)))
