"""A patched model that is compiled computes the definition, token by token: of two families in the suite;
`LONGSIGHT_COMPILE=inductor` (or `aot_eager`, or `eager`) for every method, by that backend."""

import os

import pytest
import torch

from longsight.generation.patching import patch
from longsight.methods import METHODS
from longsight.methods.base import LARGEST
from longsight.models.model import adopt
from tests.longsight import tiny
from tests.longsight.matrix import cell, variants
from tests.longsight.matrix.variants import SMALL, TEXT, VARIANTS

BACKEND = os.environ.get("LONGSIGHT_COMPILE")
STEPS = 5
SUITE = [("llama", "lm-infinite"), ("mpt", "self-extend")]
WHOLE = [("llama", key) for key in METHODS if variants.method(key).keeps(LARGEST) == LARGEST]
"""Truncation changes the prompt and not the attention, and so is no way to patch a model."""


@pytest.fixture
def compiles():
    torch._dynamo.reset()
    yield
    torch._dynamo.reset()


def shallow(name):
    """A variant with one layer, which has a graph for everything that deeper ones have."""
    family, config = VARIANTS[name]
    return tiny.hf(family, **{**SMALL, **config, "num_hidden_layers": 1})


@pytest.mark.filterwarnings("ignore:`torch.jit.script_method` is deprecated")  # in torch's own inductor
@pytest.mark.usefixtures("compiles")
@pytest.mark.parametrize(("name", "key"), WHOLE if BACKEND else SUITE)
def test_a_compiled_model_computes_the_definition(name, key):
    """Graphs break at attention and go on behind it; `eager` captures them as every backend does, but needs no C. From
    the third token on none is made anew."""
    text, method, read = tiny.ids(TEXT), variants.method(key), TEXT - STEPS
    hf = patch(shallow(name), method)
    law = cell.defined(adopt(shallow(name)), text, method, ends=tuple(range(read, TEXT)))
    compiled = torch.compile(hf, backend=BACKEND or "eager")
    with torch.no_grad():
        out = compiled(text[None, :read], use_cache=True)
        cell.close(out.logits[0], law[:read], "the compiled model")
        graphs = []
        for n in range(read, TEXT):
            step = compiled(text[None, n, None], past_key_values=out.past_key_values, use_cache=True)
            cell.close(step.logits[0, 0], law[n], "a compiled step")
            graphs.append(torch._dynamo.utils.counters["stats"]["unique_graphs"])
    assert 2 < graphs[2] == graphs[-1]
