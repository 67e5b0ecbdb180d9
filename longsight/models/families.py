"""The families of models that are understood: one line each, and no copy of anyone's forward function.

Most go through transformers' attention interface and need only to say how they pair rotating channels. The older ones
compute attention themselves; for these the table names a shim.
"""

from collections.abc import Callable
from dataclasses import dataclass, fields, is_dataclass

import torch
from transformers import PretrainedConfig, PreTrainedModel

from longsight.attention.encoding import Encoding
from longsight.attention.layer import Layer, QueryScale
from longsight.errors import LongSightError
from longsight.models.encodings import (
    attention_rotary,
    bloom_alibi,
    cohere2_rotary,
    falcon_encoding,
    gptj_rotary,
    granite_swa_rotary,
    interleaved_rotary,
    kinds_of,
    llama4_rotary,
    mpt_alibi,
    rope_of,
    rotary,
    smollm3_rotary,
    windowed_rotary,
)
from longsight.models.shims import BLOOM, FALCON, GPTJ, MPT, STABLELM, Shim
from longsight.models.text_inside import HOLDS_TEXT

STATIC_ROPE = frozenset({"default", "linear", "llama3", "yarn", "proportional"})
"""RoPE types whose frequencies do not depend on the length of the text."""

ROPE_TYPES = STATIC_ROPE | {"longrope"}


@dataclass(frozen=True)
class Family:
    """What LongSight must know about one `model_type`."""

    encoding: Callable[[PreTrainedModel, int], Encoding] = rotary
    """How the layer of this number hears positions."""
    shim: Shim | None = None
    train_length: str = "max_position_embeddings"
    rope_types: frozenset[str] = ROPE_TYPES
    softcap: str | None = None
    """What the config calls the bound of a layer's logits, if the family has one."""
    kinds: tuple[str, ...] = ("full_attention", "sliding_attention")
    """The kinds of layers that it may have, as configs call them."""
    query_scale: Callable[[PretrainedConfig, int], QueryScale | None] = lambda config, layer: None
    """What the queries of the layer of this number are multiplied by, at their true positions."""
    keys_of: Callable[[PretrainedConfig, int], int | None] = lambda config, layer: None
    """The layer whose keys and values the layer of this number uses, where it has none of its own."""
    latent: str | None = None
    """What the config calls the channels without positions of keys that are made from a compressed vector (MLA)."""
    given_up: str | None = None
    """The attribute by which modules scale queries themselves, by where they stand in a padded batch: turned off while
    the model is patched."""


def _ministral3_scale(config: PretrainedConfig, layer: int) -> QueryScale:
    """Queries grow by a step of the logarithm with every original length before them."""
    rope = config.rope_parameters
    beta, length = rope["llama_4_scaling_beta"], rope["original_max_position_embeddings"]
    return lambda i: 1 + beta * (1 + i // length).double().log()


def _gemma4_source(config: PretrainedConfig, layer: int) -> int | None:
    """The last layers use the keys of the last one before them that is of their kind."""
    modes, kinds = config.kv_sharing_modes, kinds_of(config)
    if modes[layer] != "reuse":
        return None
    return next(n for n, mode in enumerate(modes) if mode == "store" and kinds[n] == kinds[layer])


def _llama4_scale(config: PretrainedConfig, layer: int) -> QueryScale | None:
    """Layers that hear no positions are attentive over many keys (Nakanishi 2025, arXiv 2501.19399)."""
    if config.no_rope_layers[layer] or not config.attn_temperature_tuning:
        return None
    return lambda i: 1 + config.attn_scale * (1 + (i + 1) // config.floor_scale).double().log()


MLA = "qk_nope_head_dim"
HYBRID = ("full_attention", "linear_attention")

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
    "phimoe": Family(rope_types=STATIC_ROPE),  # transformers turns its long texts by the factors for short ones
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
    "smollm3": Family(smollm3_rotary),
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
    "gemma2": Family(softcap="attn_logit_softcapping"),
    "vaultgemma": Family(softcap="attn_logit_softcapping"),
    "olmo3": Family(),
    "gemma3_text": Family(),
    "deepseek_v2": Family(interleaved_rotary, latent=MLA),
    "deepseek_v3": Family(latent=MLA),  # interleaved as it may be, what comes out of its rotation has halves paired
    "youtu": Family(latent=MLA),
    "glm4_moe_lite": Family(latent=MLA),
    "axk1": Family(latent=MLA),
    "sarvam_mla": Family(latent=MLA),
    "minicpm3": Family(latent=MLA),
    "qwen3_next": Family(attention_rotary, kinds=HYBRID),
    "qwen3_5_text": Family(attention_rotary, kinds=HYBRID),
    "qwen3_5_moe_text": Family(attention_rotary, kinds=HYBRID),
    "gemma4_text": Family(keys_of=_gemma4_source),
    "gpt_oss": Family(),
    "ministral": Family(),
    "ministral3": Family(query_scale=_ministral3_scale),
    "llama4_text": Family(
        llama4_rotary,
        kinds=("full_attention", "chunked_attention"),
        query_scale=_llama4_scale,
        given_up="attn_temperature_tuning",
    ),
    "cwm": Family(),
    "mimo_v2_flash": Family(),
    "cohere2": Family(cohere2_rotary),
    "cohere2_moe": Family(cohere2_rotary),
    "exaone4": Family(windowed_rotary),
    "exaone_moe": Family(windowed_rotary),
    "afmoe": Family(windowed_rotary),
    "granite_swa": Family(granite_swa_rotary),
    "granitemoe_swa": Family(granite_swa_rotary),
    "gptj": Family(gptj_rotary, GPTJ),
    "mpt": Family(mpt_alibi, MPT, train_length="max_seq_len"),
    "bloom": Family(bloom_alibi, BLOOM, train_length="seq_length"),
    "falcon": Family(falcon_encoding, FALCON),
}
"""`model_type` -> what must be known. Anything else is refused by name."""

LONGEST = 100_000_000
"""Tokens: ten times what any config of a published model says."""

INDEXED = "each query picks its keys by an index of its own"
BEYOND: dict[str, str] = {
    **dict.fromkeys(("deepseek_v32", "deepseek_v4", "glm_moe_dsa", "qwen4_exp"), INDEXED),
    "diffllama": "their attention is the difference of two",
    **dict.fromkeys(HOLDS_TEXT, "they read images too; longsight.load takes the text model that is inside alone"),
    "nanochat": "they rotate the other way round",
    "nemotron": "their layers do not hand on what a method needs to know",
}
"""Families that people ask for, and why they are refused."""


MOST_LAYERS = 10_000


def family_of(config: PretrainedConfig) -> Family:
    """The family of a config; LongSightError, by name, for a model whose attention is not understood."""
    name = config.model_type
    if name in BEYOND:
        raise LongSightError(f"{name} models are not supported: {BEYOND[name]}.")
    if name not in FAMILIES:
        raise LongSightError(f"{name} models are not supported; LongSight knows {', '.join(sorted(FAMILIES))}.")
    if not 1 <= config.num_hidden_layers <= MOST_LAYERS:
        raise LongSightError(
            f"This {name} config says num_hidden_layers={config.num_hidden_layers}; it must be 1 to {MOST_LAYERS:,}."
        )
    family = FAMILIES[name]
    for kind in sorted(set(kinds_of(config))):
        if kind not in family.kinds:
            known = " and ".join(family.kinds)
            raise LongSightError(f"This {name} model has layers of {kind}; LongSight knows {known}.")
        _check_numbers(name, rope_of(config, kind))
        rope_type = rope_of(config, kind).get("rope_type", "default")
        if rope_type not in family.rope_types:
            raise LongSightError(
                f"This {name} model uses RoPE of type {rope_type!r}, whose frequencies change with the length; "
                f"LongSight handles {', '.join(sorted(family.rope_types))}."
            )
    return family


def _check_numbers(name: str, rope: dict) -> None:
    """LongSightError for a RoPE whose numbers are none."""
    for key in ("rope_theta", "factor", "original_max_position_embeddings"):
        left_out = key not in rope or (rope[key] is None and key != "rope_theta")
        if not left_out and not isinstance(rope[key], (int, float)):
            raise LongSightError(
                f"This {name} config says {key}={rope[key]!r} of its RoPE, which is no number; mend config.json."
            )


def layers_of(hf: PreTrainedModel, family: Family) -> tuple[Layer, ...]:
    """What must be known of each layer of a model of this family."""
    layers: list[Layer] = []
    for n, kind in enumerate(kinds_of(hf.config)):
        encoding = family.encoding(hf, n)
        encoding = next((layer.encoding for layer in layers if _alike(layer.encoding, encoding)), encoding)
        window = hf.config.sliding_window if kind == "sliding_attention" else None
        loose = window is not None and window > getattr(hf.config, family.train_length)
        chunk = hf.config.attention_chunk_size if kind == "chunked_attention" else None
        softcap = None if family.softcap is None else getattr(hf.config, family.softcap)
        latent = None if family.latent is None else getattr(hf.config, family.latent)
        scale, source = family.query_scale(hf.config, n), family.keys_of(hf.config, n)
        layers.append(Layer(encoding, window, softcap, chunk, scale, source, kind == "linear_attention", latent, loose))
    return tuple(layers)


def _alike(one: Encoding, other: Encoding) -> bool:
    if type(one) is not type(other):
        return False
    if not is_dataclass(one):
        return True
    pairs = [(getattr(one, each.name), getattr(other, each.name)) for each in fields(one) if each.compare]
    return all(torch.equal(torch.as_tensor(a), torch.as_tensor(b)) for a, b in pairs)


def train_length(config: PretrainedConfig) -> int:
    """The length [tokens] a model was trained for, counted in the positions of its own, perhaps scaled, RoPE.

    Where a config scales RoPE it may state the scaled length (Llama-3.1, LLaMA-2-7B-32K), the original one with a
    factor (YaRN), or the original one and the scaled one under another name (Vicuna-16k). A factor alone says nothing:
    taken at its word, it would make LLaMA-2-7B-32K a model of 256K. Raises LongSightError when the config says nothing.
    """
    found = getattr(config, family_of(config).train_length, None)
    if not isinstance(found, int) or found < 1:
        raise LongSightError(
            f"This {config.model_type} config has no {family_of(config).train_length}, so LongSight cannot know the "
            "length it was trained for; write it into config.json."
        )
    if found > LONGEST:
        raise LongSightError(
            f"This {config.model_type} config says that the model was trained on {found:,} tokens; "
            f"none was on more than {LONGEST:,}."
        )
    rope = rope_of(config, "full_attention")
    scaled = (rope.get("original_max_position_embeddings") or 0) * (rope.get("factor") or 1)
    said = {"linear": getattr(config, "max_sequence_length", None) or scaled, "yarn": scaled}
    return max(found, round(said.get(rope.get("rope_type", ""), 0)))
