"""What a written token waits for. Whoever adds a wait, or takes one away, changes a number here."""

from collections import Counter
from functools import reduce
from operator import or_

import pytest

from longsight.generation.decode import Sampling, decode
from longsight.generation.patching import patched
from longsight.generation.prefill import prefill
from longsight.methods import METHODS
from tests.device.placed import hf_on_cuda, on_cuda
from tests.longsight import tiny
from tests.longsight.matrix import cell, variants
from tests.longsight.test_offloaded_keys import METHODS_THAT_FETCH

READ, WRITTEN = tiny.distinct(34), 6
LETTING_GO = variants.method("lm-infinite")


def most(device, tokens):
    """The most that any token but the first waited for; the first is chosen from what was read."""
    next(tokens)
    device.waits.clear()
    found = []
    for _ in tokens:
        found.append(device.waits.copy())
        device.waits.clear()
    assert len(found) == WRITTEN - 1
    return dict(reduce(or_, found))


def waits(device, name, method, offload=False, turns=True, temperature=0.0):
    model = on_cuda(name)
    read = prefill(model, READ, method, model.seam.new_cache(method, offload=offload))
    read.cache.turns = turns
    return most(device, decode(model, read, Sampling(temperature, 1.0, 0, frozenset(), WRITTEN)))


COPIES = {
    3: ("vanilla", "window", "truncation", "lambda", "position-interpolation"),
    4: ("ceiling", "lm-infinite", "streaming-llm", "string", "ntk", "dynamic-ntk"),
    5: ("self-extend", "rerope", "leaky-rerope", "dual-chunk", "lampe", "yarn"),
    6: ("composed",),
    7: ("dpe",),
}
"""Positions and rotations that go to the device, by method."""


@pytest.mark.parametrize("key", [key for key in METHODS if variants.method(key).retrieval is None])
def test_under_a_method_of_positions(key, device):
    [copies] = [count for count, keys in COPIES.items() if key in keys]
    expected = {"item": 3 if key == "yarn" else 1, "nonzero": 2, "to cuda": copies}
    assert waits(device, "llama", variants.method(key)) == expected


FETCHING = {
    "last": ({"item": 5, "nonzero": 4, "to cuda": 9}, {"item": 4, "nonzero": 2, "to cuda": 9, "to cpu": 5}),
    "keys": (
        {"item": 5, "nonzero": 4, "to cuda": 9, "to cpu": 1, "unique": 1},
        {"item": 4, "nonzero": 2, "to cuda": 9, "to cpu": 6, "unique": 1},
    ),
    "blocks": (
        {"item": 17, "nonzero": 2, "to cuda": 9, "to cpu": 2, "unique": 2},
        {"item": 17, "nonzero": 2, "to cuda": 14, "to cpu": 10, "unique": 2},
    ),
    "spans": (
        {"item": 11, "nonzero": 4, "to cuda": 7, "to cpu": 2, "unique": 4, "bincount": 4},
        {"item": 7, "nonzero": 2, "to cuda": 11, "to cpu": 12, "unique": 2},
    ),
}
"""With all keys on the device, and with those that only fetching can reach beside it, in two layers; of lm-infinite one
fetches."""


@pytest.mark.parametrize("key", METHODS_THAT_FETCH)
@pytest.mark.parametrize("offload", [False, True])
def test_where_keys_are_fetched(key, offload, device):
    assert waits(device, "llama", METHODS_THAT_FETCH[key], offload=offload) == FETCHING[key][offload]


MODELS = {
    "mpt, six heads": {"item": 1, "to cuda": 5},
    "phi3, longrope": {"item": 1, "to cuda": 7},
    "olmo3": {"item": 1, "nonzero": 4, "to cuda": 6},
    "cohere2": {"item": 1, "nonzero": 2, "to cuda": 3},
    "llama4_text": {"item": 1, "nonzero": 2, "to cuda": 4},
    "ministral3": {"item": 1, "nonzero": 2, "to cuda": 6},
    "deepseek_v3": {"item": 1, "nonzero": 3, "to cuda": 1},
    "gptj": {"item": 1, "to cuda": 7},
    "qwen3_next": {"item": 1, "nonzero": 2, "to cuda": 4},
}


@pytest.mark.parametrize("name", MODELS)
def test_in_models_that_hear_positions_otherwise(name, device):
    assert waits(device, name, LETTING_GO) == MODELS[name]


def test_without_turned_keys(device):
    assert waits(device, "llama", LETTING_GO, turns=False) == {"item": 1, "nonzero": 3, "to cuda": 1}


def test_where_tokens_are_drawn(device):
    """All logits are brought here, so that equal seeds draw the same on every machine."""
    assert waits(device, "llama", LETTING_GO, temperature=1.0) == {"to cpu": 1, "nonzero": 2, "to cuda": 4}


@pytest.mark.parametrize(
    ("shorter", "expected"),
    [(READ[5:21], {"item": 2, "nonzero": 2, "to cuda": 4}), (READ[:4], {"item": 12, "nonzero": 24})],
    ids=["even", "padded"],
)
def test_in_generate(shorter, expected, device):
    """One more token costs this much, with what transformers waits for itself."""
    ids, mask = cell.padded([READ[:16], shorter], left=True)
    rows, counts = {"input_ids": ids.to("cuda"), "attention_mask": mask.to("cuda")}, []
    with patched(hf_on_cuda("llama"), METHODS["self-extend"](group=4, window=8)) as hf:
        for n in (4, 5):
            device.waits.clear()
            hf.generate(**rows, max_new_tokens=n, do_sample=False)
            counts.append(device.waits.copy())
    assert counts[1] - counts[0] == Counter(expected)
