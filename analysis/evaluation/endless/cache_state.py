"""A KV cache as plain values and tensors, to be written to a disk and gone on with in another process."""

from collections.abc import Iterator, Sequence
from typing import Any, TypeAlias

from longsight.attention.kept_layer import KeptLayer
from longsight.attention.kv_cache import Cache
from longsight.attention.split_layer import SplitLayer
from longsight.attention.state_layer import StateLayer

LayerState: TypeAlias = dict[str, Any]
"""What one layer, or a part of it, holds, by name."""


def saved(cache: Cache) -> list[LayerState]:
    """What the cache holds."""
    return [
        {"length": each.length, "keys": each.keys, "values": each.values}
        if isinstance(each, KeptLayer)
        else dict(vars(each))
        for each in _parts(cache)
    ]


def restore(cache: Cache, layers: Sequence[LayerState]) -> None:
    """Let a new cache of the same method go on from what was `saved`."""
    for each, state in zip(_parts(cache), layers, strict=True):
        if isinstance(each, KeptLayer) and state["length"]:
            each.lazy_initialization(state["keys"], state["values"])
        each.__dict__.update(state)
    cache.text = cache.length


def _parts(cache: Cache) -> Iterator[KeptLayer | StateLayer]:
    for layer in cache.layers:
        if isinstance(layer, SplitLayer):
            yield from layer.each
        else:
            yield layer
