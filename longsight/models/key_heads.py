"""How many heads the keys of each layer have, where the cache holds them one beside the other: such heads may follow
rules of their own."""

from collections.abc import Sequence

import torch
from torch import Tensor

from longsight.attention.kv_cache import Cache
from longsight.attention.layer import Layer, acting
from longsight.attention.observer import AttentionStep, Observer
from longsight.errors import LongSightError
from longsight.methods import Method


class KeyHeads(Observer):
    """Sees the keys (key_head, key, channel) that each layer's attention is given, of a text read at once."""

    def __init__(self) -> None:
        self.keys: dict[int, Tensor] = {}

    def attention(self, step: AttentionStep) -> None:
        self.keys[step.layer] = step.k

    def count(self, cache: Cache, layout: Sequence[Layer]) -> tuple[int, ...]:
        """Of each layer; 0 where a method acts and attention is given anything but what `cache` holds."""
        return tuple(self._count(cache, layout[n], n) for n in range(len(layout)))

    def _count(self, cache: Cache, layer: Layer, n: int) -> int:
        if layer.recurrent or layer.latent is not None:
            return 0
        held = cache.layers[n if layer.keys_of is None else layer.keys_of].keys[0]
        return len(held) if not layer.sees_everything or torch.equal(self.keys[n], held) else 0


def check_told_apart(method: Method, layout: Sequence[Layer], heads: Sequence[int], model: str) -> None:
    """LongSightError for a method with rules for single heads where these cannot be told apart."""
    told = method.in_layers(heads)
    if mixed := [n for n in acting(layout) if not heads[n] and told[n] != method]:
        raise LongSightError(
            f"{method.title}: heads of layer {mixed[0]} of {model} cannot follow rules of their own, because its cache "
            "does not hold their keys and values one head beside the other."
        )
