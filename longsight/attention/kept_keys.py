"""Which keys of a text a layer must remember under its rule, and so how many: known before anything is read."""

from collections.abc import Sequence
from functools import reduce
from operator import or_

from longsight.methods import Method
from longsight.methods.bands import EVERYTHING, Footprint, cache_footprint


def kept(method: Method, layer: int, offload: bool = False) -> Footprint:
    """The keys that `layer` must remember under `method`: a layer that fetches remembers everything, though not on the
    device when it may `offload`; where heads follow rules of their own, what some of them need."""
    if method.head_groups:
        return reduce(or_, (kept(group.rule, layer, offload) for group in method.head_groups))
    return cache_footprint(method.bands) if offload or method.retrieval_in(layer) is None else EVERYTHING


def receptive_field(rules: Sequence[Method]) -> tuple[int, int] | None:
    """The receptive field `(starting, latest)` of layers with these rules: the first and the last tokens of a text that
    can have a part in what comes after it; None: all of them can.

    Each layer looks back by its window, at what the layer below made of a window before.
    """
    found = [kept(rule, layer) for layer, rule in enumerate(rules)]
    if any(window is None for _, window in found):
        return None
    return max(starting for starting, _ in found), sum(window for _, window in found if window is not None)


def slots(rule: Method, length: int, user: int, offload: bool = False) -> int:
    """How many keys of each head a layer with this rule holds on the device after `length` tokens, for itself and the
    layers that use them, of which `user` is the last."""
    starting, window = kept(rule, user, offload)
    return length if window is None else min(length, starting + window)
