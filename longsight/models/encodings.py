"""How the layers of a model hear positions: read from what the model itself has made of its config."""

import math

import torch
from torch import Tensor, nn
from transformers import PretrainedConfig, PreTrainedModel
from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS

from longsight.attention.alibi import Alibi, slopes, slopes_by_halves
from longsight.attention.encoding import Encoding
from longsight.attention.rope import LongRope, Rotary
from longsight.errors import LongSightError


def rope_of(config: PretrainedConfig, kind: str | None) -> dict:
    """What a config says of RoPE, to the layers of one kind where it tells them apart."""
    said = getattr(config, "rope_parameters", None) or {}
    return (said[kind] or {}) if kind in said else said


def kinds_of(config: PretrainedConfig) -> list[str]:
    """The kind of every layer. Where a config lists none, all are alike: with a window, if it names one."""
    alike = "full_attention" if getattr(config, "sliding_window", None) is None else "sliding_attention"
    return list(getattr(config, "layer_types", None) or [alike] * config.num_hidden_layers)


def frequencies(hf: PreTrainedModel, layer: int) -> Tensor:
    """RoPE's frequencies (rotary_dim / 2,) float64 of a layer, as the model made them, on the CPU."""
    kind = kinds_of(hf.config)[layer]
    inside = getattr(hf.base_model, "model", hf.base_model)  # Llama 4 calls it otherwise than it says
    return _made(inside.rotary_emb, hf.config, kind if kind in (hf.config.rope_parameters or {}) else None)


def _made(made: nn.Module, config: PretrainedConfig, kind: str | None) -> Tensor:
    buffer = getattr(made, "inv_freq" if kind is None else f"{kind}_inv_freq")
    if buffer.dtype.itemsize >= 4:
        return buffer.detach().cpu().double()
    # `model.to(bfloat16)` has rounded them, which is wrong by whole turns far out: they are made once more
    rope_type = made.rope_type if kind is None else made.rope_type[kind]
    make = made.compute_default_rope_parameters if rope_type == "default" else ROPE_INIT_FUNCTIONS[rope_type]
    if kind is None:
        return make(config)[0].cpu().double()
    sizes = getattr(config, "per_layer_config", None)  # of heads, where they differ by the kind of layer
    said = config if rope_type != "default" or sizes is None else sizes[kind]
    return make(said, layer_type=kind)[0].cpu().double()


def rotary(hf: PreTrainedModel, layer: int, interleaved: bool = False) -> Encoding:
    """Halves of the rotating channels paired, or neighbouring channels where they are interleaved."""
    rope = rope_of(hf.config, kinds_of(hf.config)[layer])
    if rope.get("rope_type") != "longrope":
        return Rotary(frequencies(hf, layer), interleaved)
    switch, make = rope["original_max_position_embeddings"], ROPE_INIT_FUNCTIONS["longrope"]
    short, long = (make(hf.config, seq_len=length)[0].double() for length in (switch, switch + 1))
    kept = hf.base_model.rotary_emb.original_inv_freq  # and not inv_freq: there lies what was used last
    short = kept.detach().cpu().double() if kept.dtype.itemsize >= 4 else short
    return LongRope(short, interleaved, long_inv_freq=long, switch=switch)


def interleaved_rotary(hf: PreTrainedModel, layer: int) -> Encoding:
    """Neighbouring channels paired."""
    return rotary(hf, layer, interleaved=True)


def smollm3_rotary(hf: PreTrainedModel, layer: int) -> Encoding:
    """Some are NoPE layers: without any position encoding (Kazemnejad et al. 2023, arXiv 2305.19466)."""
    return rotary(hf, layer) if hf.config.no_rope_layers[layer] else Encoding()


def llama4_rotary(hf: PreTrainedModel, layer: int) -> Encoding:
    """Neighbouring channels paired, in layers that hear positions."""
    return interleaved_rotary(hf, layer) if hf.config.no_rope_layers[layer] else Encoding()


def attention_rotary(hf: PreTrainedModel, layer: int) -> Encoding:
    """Halves of the rotating channels paired, in layers that do not keep a state in the place of keys."""
    return Encoding() if kinds_of(hf.config)[layer] == "linear_attention" else rotary(hf, layer)


def hears_within_windows(config: PretrainedConfig, layer: int) -> bool:
    """Layers with a window hear positions, and those that see everything do not; without windows, all do."""
    return config.sliding_window is None or kinds_of(config)[layer] == "sliding_attention"


def windowed_rotary(hf: PreTrainedModel, layer: int) -> Encoding:
    """Halves of the channels paired, in layers with a window."""
    return rotary(hf, layer) if hears_within_windows(hf.config, layer) else Encoding()


def cohere2_rotary(hf: PreTrainedModel, layer: int) -> Encoding:
    """Neighbouring channels paired, in layers with a window; in its mixtures also in some that begin the model."""
    config = hf.config
    dense = getattr(config, "mlp_layer_types", None)
    forced = dense is not None and dense[layer] == "dense" and config.prefix_dense_sliding_window_pattern == 1
    return interleaved_rotary(hf, layer) if forced or hears_within_windows(config, layer) else Encoding()


def granite_swa_rotary(hf: PreTrainedModel, layer: int) -> Encoding:
    """Each layer names the base of its frequencies; 0: it hears no positions."""
    theta = hf.config.layer_rope_theta[layer]
    for made in hf.base_model.rotary_embs:
        if theta and made.config.rope_parameters["rope_theta"] == theta:
            return Rotary(_made(made, made.config, None))
    return Encoding()


def gptj_rotary(hf: PreTrainedModel, layer: int) -> Encoding:
    """GPT-J keeps a table of sines and no frequencies: 10000 ** (-2f / rotary_dim), neighbouring channels paired."""
    channels = hf.config.rotary_dim or hf.config.hidden_size
    return Rotary(1e4 ** (-torch.arange(0, channels, 2, dtype=torch.float64) / channels), interleaved=True)


def falcon_encoding(hf: PreTrainedModel, layer: int) -> Encoding:
    """ALiBi, scaled like the logits it is added to, or rotary."""
    config = hf.config
    if not config.alibi:
        return rotary(hf, layer)
    return Alibi(
        slopes_by_halves(config.num_attention_heads) / math.sqrt(config.hidden_size // config.num_attention_heads)
    )


def bloom_alibi(hf: PreTrainedModel, layer: int) -> Encoding:
    """ALiBi, always."""
    return Alibi(slopes_by_halves(hf.config.n_head))


def mpt_alibi(hf: PreTrainedModel, layer: int) -> Encoding:
    """ALiBi, unless the config says that there is none; LongSightError then."""
    if not hf.config.attn_config.alibi:
        raise LongSightError("This mpt model has no ALiBi (attn_config.alibi is false), so no distance to repair.")
    return Alibi(slopes(hf.config.n_heads, hf.config.attn_config.alibi_bias_max))
