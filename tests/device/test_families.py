"""Every family on a device that is only pretended: what it computes on the CPU, with every tensor where it belongs."""

from itertools import cycle, islice

import pytest
import torch

from longsight.generation.decode import Sampling, decode
from longsight.generation.patching import patched
from longsight.generation.prefill import prefill
from longsight.methods import METHODS
from tests.device.placed import hf_on_cuda, on_cuda
from tests.longsight import tiny
from tests.longsight.matrix import cell, variants
from tests.longsight.matrix.variants import ATTENTIONS, SEAMS, TRAINED, VARIANTS
from tests.longsight.test_offloaded_keys import METHODS_THAT_FETCH

TEXT = tiny.distinct(34)
TOLERANCE = 2e-5
"""The kernels of the two devices round otherwise; a layer makes more of it."""
KEYS = [*METHODS]
FETCHING = METHODS["lm-infinite"](window=TRAINED, starting=3, top_k=3, from_layer=1)


def suited(name, first):
    """The first method, from one on that differs from family to family, that has an effect on a variant."""
    for key in islice(cycle(KEYS), first, first + len(KEYS)):
        if variants.applies(name, variants.method(key)):
            return variants.method(key)
    return METHODS["vanilla"]()


NAMES = list(dict.fromkeys([*{family: name for name, (family, _) in reversed(VARIANTS.items())}.values(), *ATTENTIONS]))
"""One variant of each family, and those that attend otherwise."""
CELLS = {name: suited(name, n) for n, name in enumerate(NAMES)}


def test_every_method_meets_a_family():
    assert {method.key for method in CELLS.values()} == set(METHODS)


def close(there, here):
    assert there.is_cuda
    torch.testing.assert_close(there.cpu(), here, atol=TOLERANCE, rtol=0)


def read(model, method):
    """Read as a chunk and a single token; gone on with from a fork, and written after: logits, and what was written."""
    first = prefill(model, TEXT, method, chunk=len(TEXT) - 1)
    more = prefill(model, TEXT[:5], method, first.cache.fork())
    return [first.logits, more.logits], list(decode(model, first, Sampling(max_new_tokens=3, stop=frozenset())))


@pytest.mark.parametrize("name", NAMES)
def test_a_family_computes_there_what_it_computes_here(name):
    models, method = (on_cuda(name), variants.adopted(name)), CELLS[name]
    (there, said), (here, expected) = (read(model, method) for model in models)
    assert said == expected
    for one, other in zip(there, here, strict=True):
        close(one, other)


@pytest.mark.parametrize("name", SEAMS)
def test_a_patched_model_generates_for_a_padded_batch(name):
    ids, mask = cell.padded([TEXT[:21], TEXT[:4]], left=True)
    method = FETCHING if name in ("llama", "mpt") else METHODS["self-extend"](group=4, window=8)
    answers = []
    for hf in (hf_on_cuda(name), variants.stock(name)):
        with patched(hf, method):
            to = {"input_ids": ids.to(hf.device), "attention_mask": mask.to(hf.device)}
            answers.append((hf(**to).logits, hf.generate(**to, max_new_tokens=4, do_sample=False)))
    (there, said), (here, expected) = answers
    assert said.tolist() == expected.tolist()
    close(there, here)


@pytest.mark.parametrize("key", METHODS_THAT_FETCH)
@pytest.mark.parametrize("offload", [False, True])
def test_what_is_fetched_is_fetched_there_too(key, offload):
    """Chosen among keys on the device, and among those in the memory beside it."""
    method, found = METHODS_THAT_FETCH[key], []
    for model in (on_cuda("llama"), variants.adopted("llama")):
        read = prefill(model, TEXT, method, model.seam.new_cache(method, offload=offload), chunk=20)
        said = list(decode(model, read, Sampling(max_new_tokens=4, stop=frozenset())))
        found.append((read.logits, said, read.cache.nbytes, read.cache.offloaded_nbytes))
        assert all(layer.keys.is_cuda == model.hf.device.type.startswith("cuda") for layer in read.cache.layers)
        assert not any(layer.offloaded.keys.is_cuda for layer in read.cache.layers if layer.offloaded)
    close(found[0][0], found[1][0])
    assert found[0][1:] == found[1][1:]
    assert (found[0][3] > 0) == offload
