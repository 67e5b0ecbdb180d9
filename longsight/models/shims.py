"""The older families, which compute attention themselves: how a layer of each makes its queries, keys and values, and
how it finishes. `attention_seam.py` puts attention in between."""

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor, nn

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
