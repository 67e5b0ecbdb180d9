"""Tiny random models, and for every method a spread of parameters. New methods are covered by being in METHODS."""

import contextlib
import random
from dataclasses import MISSING, fields
from functools import cache
from pathlib import Path

import torch
from transformers import AutoConfig, AutoModelForCausalLM

from longsight.errors import LongSightError
from longsight.methods import METHODS
from longsight.models.model import adopt

DATA = Path(__file__).parents[1] / "data"

TRAINED = 32
VOCABULARY = 61

SHAPE = {
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "vocab_size": VOCABULARY,
    "max_position_embeddings": TRAINED,
    "initializer_range": 0.2,  # attention that looks somewhere, so that a wrong distance shows in the logits
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}


def hf(family="llama", key_heads=2, seed=0, **config):
    """An unpatched random model of `family`."""
    torch.manual_seed(seed)
    config = AutoConfig.for_model(family, **{**SHAPE, "num_key_value_heads": key_heads, **config})
    return AutoModelForCausalLM.from_config(config).eval()


def model(family="llama", key_heads=2, **config):
    return adopt(hf(family, key_heads, **config))


def ids(n, seed=0, low=3):
    """`n` random token ids, none of them special."""
    return torch.randint(low, VOCABULARY, (n,), generator=torch.Generator().manual_seed(seed))


def distinct(n):
    """`n` token ids, none of them twice: equal tokens have equal keys in a first layer, and then rounding decides which
    of them is fetched."""
    return 3 + torch.randperm(VOCABULARY - 3, generator=torch.Generator().manual_seed(0))[:n]


def lying(j):
    """Where the keys at positions `j` (key,) lie, in whatever order they do."""

    def slices(first, last):
        return [slice(n, n + 1) for n, position in enumerate(j.tolist()) if first <= position < last]

    return slices


def defaults(key, target=150):
    return METHODS[key].for_model(TRAINED, target)


MANY = 150
RULES = (
    "d < 8: d; j < 4: d",
    "i // 8 == j // 8: d",
    "d < 6: d; j < 3: min(i, 20) - j; else: i // 2 - j // 2 + 3",
    "d < 5: d; j < i // 3: 5; else: 4 + (d - 4) / 2",
    "d < 3: d; j >= 5 and d < 20: 3; i < 30: 2",
    "d < 4: d; 2 * j > min(i, 20) + i // 4: max(3, i // 6) - max(1, j // 6); j // 5 == i // 5 - 2: 4",
    "d < n // 4: d; else: i // 4 - j // 4",
    "d < L: d; else: L",
)
"""Rules for `composed`, of every kind of bound."""
SPREAD = {
    int: (0, 1, 2, 3, 4, 6, 8, 13, 40, 2**40),
    float: (0.5, 1.0, 1.5, 2.0, 4.0, 100.0),
    str: RULES,
}
GROUPS = ("1", "2", "2 1", "3 1 6", "2 8 2 8", "1 2 4 1 3")
"""Group sizes for `dpe`."""
HEADS = ("", "0", "1")
"""Which heads see everything, for `duo`: words that fit every model."""


@cache
def spread(key, most=MANY):
    """Up to `most` methods of kind `key`: its defaults for a few lengths, then accepted choices of small values."""
    draw = random.Random(key)
    made = {defaults(key, target): None for target in (TRAINED // 2, TRAINED, 4 * TRAINED)}
    for _ in range(20 * most):
        if len(made) >= most:
            break
        try:
            made[METHODS[key](**{spec.name: _drawn(spec, draw) for spec in fields(METHODS[key])})] = None
        except LongSightError:
            continue
    return tuple(made)


def usable(model, key, most, tokens=150):
    """Those of `spread` that can have an effect on this model, and read a text of so many `tokens`."""
    found = []
    for method in spread(key):
        if method.longest is not None and method.longest < tokens:
            continue
        with contextlib.suppress(LongSightError):
            model.seam.check_method(method)
            found.append(method)
    return found[:most]


def _drawn(spec, draw):
    """A value for a field; one that has a default keeps it half of the time."""
    if spec.default is not MISSING and draw.random() < 0.5:
        return spec.default
    return draw.choice({"groups": GROUPS, "heads": HEADS}.get(spec.name, SPREAD[spec.type]))


SHORTER_PROMISE = {
    "self-extend": lambda method: method.window,
    "rerope": lambda method: method.window + 1,
    "leaky-rerope": lambda method: method.window + 1,
    "position-interpolation": lambda method: None if method.scale == 1 else 1,
    "ntk": lambda method: None if method.scale == 1 else 0,
    "yarn": lambda method: None if method.scale == 1 else 0,
    "dual-chunk": lambda method: method.length,
    "string": lambda method: method.shift,
    "dpe": lambda method: method.window,
    "lampe": lambda method: method.head,
    "duo": lambda method: method.window,
    "infllm": lambda method: method.window,
    "composed": lambda method: int(method.rule.removeprefix("d < ").partition(":")[0]),
    "reattention": lambda method: (method.starting + method.local) // method.queries * method.queries,
}
"""Up to which length [tokens] defaults promise vanilla, where that is not the trained length (None: it is)."""


def promised(method, train_length):
    """Up to which length [tokens] inside the trained one a method's defaults are vanilla."""
    n = SHORTER_PROMISE.get(method.key, lambda method: None)(method)
    return train_length if n is None else min(n, train_length)
