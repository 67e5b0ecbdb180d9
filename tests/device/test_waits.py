"""What a written token waits for. Whoever adds a wait, or takes one away, changes a number here."""

from collections import Counter
from functools import reduce
from itertools import islice
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

READ, WRITTEN = tiny.distinct(34), 5
LETTING_GO = variants.method("lm-infinite")


def most(device, tokens):
    """The most that any token waited for but the first, which is chosen from what was read, and the last, which is read
    no more."""
    next(tokens)
    device.waits.clear()
    found = []
    for _ in islice(tokens, WRITTEN - 2):
        found.append(device.waits.copy())
        device.waits.clear()
    assert len(found) == WRITTEN - 2
    return dict(reduce(or_, found))


def waits(device, name, method, offload=False, turns=True, temperature=0.0):
    model = on_cuda(name)
    read = prefill(model, READ, method, model.seam.new_cache(method, offload=offload))
    read.cache.turns = turns
    return most(device, decode(model, read, Sampling(temperature, 1.0, 0, frozenset(), WRITTEN)))


ONCE = {"busy": 1}
"""For the token itself, while the device is reading it already."""


@pytest.mark.parametrize("key", [key for key in METHODS if variants.method(key).retrieval is None])
def test_under_a_method_of_positions(key, device):
    assert waits(device, "llama", variants.method(key)) == ONCE


FETCHING = {
    "last": ({"idle": 1, "item": 1}, {"idle": 1, "to cpu": 5}),
    "keys": ({"idle": 1, "item": 1}, {"idle": 1, "to cpu": 5}),
    "blocks": ({"idle": 1, "item": 2}, {"idle": 1, "item": 2, "to cpu": 8}),
    "spans": ({"idle": 1, "item": 4, "nonzero": 2, "unique": 2}, {"idle": 1, "to cpu": 10}),
}
"""With all keys on the device, and with those that only fetching can reach beside it. No token is read before it is
known. Two layers fetch, of lm-infinite one: each asks whether scores are tied, and spans are as many as there are hits.
What is offloaded is brought here."""


@pytest.mark.parametrize("key", METHODS_THAT_FETCH)
@pytest.mark.parametrize("offload", [False, True])
def test_where_keys_are_fetched(key, offload, device):
    assert waits(device, "llama", METHODS_THAT_FETCH[key], offload=offload) == FETCHING[key][offload]


MODELS = [
    *("mpt, six heads", "falcon, alibi", "phi3, longrope", "olmo3", "cohere2", "gpt_oss", "llama4_text", "ministral3"),
    *("deepseek_v3", "gptj"),
]
"""They hear positions in other ways, and keep other things of a text."""


@pytest.mark.parametrize("name", MODELS)
def test_in_other_models(name, device):
    assert waits(device, name, LETTING_GO) == ONCE


def test_where_a_state_cannot_forget_a_token(device):
    assert waits(device, "qwen3_next", LETTING_GO) == {"idle": 1}


@pytest.mark.parametrize("key", ["vanilla", "lm-infinite", "dynamic-ntk", "dpe"])
def test_without_turned_keys(key, device):
    assert waits(device, "llama", variants.method(key), turns=False) == ONCE


def test_where_tokens_are_drawn(device):
    """The number that they are drawn by is sent there."""
    assert waits(device, "llama", LETTING_GO, temperature=1.0) == ONCE


@pytest.mark.parametrize(
    ("shorter", "expected"),
    [(READ[5:21], {"item": 1, "to cpu": 1}), (READ[:4], {"item": 2, "to cpu": 2})],
    ids=["even", "padded"],
)
def test_in_generate(shorter, expected, device):
    """One more token costs this much, with what transformers waits for itself; positions and pads are looked at."""
    ids, mask = cell.padded([READ[:16], shorter], left=True)
    rows, counts = {"input_ids": ids.to("cuda"), "attention_mask": mask.to("cuda")}, []
    with patched(hf_on_cuda("llama"), METHODS["self-extend"](group=4, window=8)) as hf:
        for n in (4, 5):
            device.waits.clear()
            hf.generate(**rows, max_new_tokens=n, do_sample=False)
            counts.append(device.waits.copy())
    assert counts[1] - counts[0] == Counter(expected)
