"""What stands in for attention inside a patched model: one function that transformers calls in every layer, and the
forward of layers that call none.

Both hand queries, keys and values on to the `Chunk` that travels with the call, and refuse by name whatever else would
change the result.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from longsight.attention.chunk import Chunk
from longsight.attention.kv_cache import Cache
from longsight.errors import LongSightError
from longsight.models.shims import Shim

NAME = "longsight"

HARMLESS = {
    "position_ids", "cache_position", "use_cache", "is_causal",
    "output_attentions", "output_hidden_states", "output_router_logits", "token_type_ids", "tokenizer",
}  # fmt: skip
"""Keywords that models pass along and that say nothing our positions do not; `generate` adds the tokenizer that it
looks for `stop_strings` with."""


def attention_function(
    module: nn.Module, query: Tensor, key: Tensor, value: Tensor, attention_mask: Tensor | None,
    scaling: float | None = None, dropout: float = 0.0, *, chunk: Chunk | None = None,
    sliding_window: int | None = None, softcap: float | None = None, s_aux: Tensor | None = None, **kwargs: object,
) -> tuple[Tensor, None]:  # fmt: skip
    """What transformers calls in every layer of a patched model -> (batch, query, head, channel), and no weights.

    `s_aux` (head,) are its name for learned sinks.
    """
    chunk = _checked(module, chunk, bool(dropout), kwargs)
    known = chunk.layers[module.layer_idx]  # what the config says, layer by layer
    for name, asked, said in (("sliding_window", sliding_window, known.window), ("softcap", softcap, known.softcap)):
        if asked != said:
            raise LongSightError(
                f"{type(module).__name__} asks attention for {name}={asked}, which LongSight does not honour: by its "
                f"config layer {module.layer_idx} has {'none' if said is None else f'one of {said:,}'}."
            )
    scaling = query.shape[-1] ** -0.5 if scaling is None else scaling
    if known.latent is not None:  # channels that turn come first here, and where both are moved products are the same
        query, key = query.roll(-known.latent, dims=-1), key.roll(-known.latent, dims=-1)
    out = chunk.attention(module.layer_idx, query, key, value, scaling, s_aux)
    return out.transpose(1, 2).contiguous(), None  # JetMoe takes a view of it; others would copy it now


def _checked(module: nn.Module, chunk: Chunk | None, dropout: bool, asked: dict[str, object] | None = None) -> Chunk:
    """The chunk; LongSightError for a call without a method, or one that asks for what would change the result."""
    if chunk is None:
        raise LongSightError(
            "This model is patched by LongSight, so its attention needs to know the method: "
            "read with longsight.prefill or Model.logits. For calls of your own, give its attention back with "
            "model.seam.close() and use longsight.patch."
        )
    if dropout:
        raise LongSightError(f"{type(module).__name__} is in training mode with dropout; call model.eval() first.")
    unknown = {name: value for name, value in (asked or {}).items() if name not in HARMLESS and value is not None}
    if unknown:
        listed = ", ".join(f"{name}={_shown(value)}" for name, value in unknown.items())
        raise LongSightError(f"{type(module).__name__} asks attention for {listed}, which LongSight does not honour.")
    return chunk


def _shown(value: object) -> str:
    return f"a tensor of shape {tuple(value.shape)}" if isinstance(value, Tensor) else repr(value)[:40]


def no_mask(*args: object, device: torch.device | None = None, **kwargs: object) -> Tensor:
    """Visibility comes from the method's bands: no (query, key) mask is ever built, and this one is never read. (Falcon
    adds its biases to it, on the device.)"""
    return torch.zeros(1, 1, 1, 1, device=device)


def shimmed(module: nn.Module, shim: Shim) -> Callable:
    """A forward for an attention module that does not use the attention interface. Its chunk comes with the cache."""

    def forward(hidden_states: Tensor, *rest: object, **kwargs: object) -> tuple[Tensor, None]:
        cache = next((given for given in kwargs.values() if isinstance(given, Cache)), None)  # under one of many names
        chunk = _checked(module, None if cache is None else cache.chunk, dropout=module.training)
        q, k, v = shim.heads(module, hidden_states)
        k, v = chunk.cache.update(k, v, module.layer_idx)
        out = chunk.attention(module.layer_idx, q, k, v, shim.scaling(module))
        return shim.finish(module, out.transpose(1, 2).flatten(2), rest), None

    return forward
