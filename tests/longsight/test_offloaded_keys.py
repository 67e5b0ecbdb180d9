"""Keys that only fetching can reach lie beside the device: nothing that is computed changes, and the device holds no
more of a long text than of a short one."""

import pytest
import torch

from longsight.errors import LongSightError
from longsight.generation.patching import patch, patched, unpatch
from longsight.generation.prefill import prefill
from longsight.methods import METHODS
from tests.longsight import tiny
from tests.longsight.matrix import variants

METHODS_THAT_FETCH = {
    "last": METHODS["lm-infinite"](window=8, starting=2, top_k=3, from_layer=1, insert_at=6),
    "keys": METHODS["lm-infinite"](window=8, starting=2, top_k=3, from_layer=1, insert_at=6, queries=8),
    "blocks": METHODS["infllm"](window=8, starting=2, block=4, top_k=2, representatives=2, queries=8),
    "spans": METHODS["reattention"](local=12, starting=2, top_k=2, span=4, most=3, queries=8, align=4),
}
TEXT = tiny.ids(120)
CHUNKS = [40, 8, 8, 16, *[1] * 5, 8, 8]


@pytest.fixture(params=METHODS_THAT_FETCH)
def method(request):
    return METHODS_THAT_FETCH[request.param]


def read(model, cache, text=TEXT, chunks=CHUNKS):
    parts = text[: sum(chunks)].split(chunks)
    return torch.cat([model.forward(part, cache, retrieves=n == len(parts) - 1) for n, part in enumerate(parts)])


def on_the_device(cache):
    return sum(sum(layer.slot_bytes) for layer in cache.layers)


def test_logits_are_those_without(grouped, method):
    stays, leaves = (grouped.seam.new_cache(method, offload=offload) for offload in (False, True))
    torch.testing.assert_close(read(grouped, leaves), read(grouped, stays), atol=1e-5, rtol=0)
    assert stays.offloaded_nbytes == 0
    assert leaves.offloaded_nbytes > on_the_device(leaves)
    assert on_the_device(leaves) < on_the_device(stays)


def test_the_device_holds_no_more_of_a_longer_text(grouped, method):
    held = {}
    for length in (200, 400, 800):
        cache = prefill(grouped, tiny.ids(length), method, grouped.seam.new_cache(method, offload=True), 40).cache
        held[length] = on_the_device(cache)
        assert held[length] == grouped.cache_bytes(method, length, offload=True) - remembered(cache)
    assert held[200] == held[400] == held[800]


def remembered(cache):
    """Bytes of what stands for blocks."""
    return sum(memory.nbytes for layer in cache.layers for memory in layer.memories.values())


def test_a_fork_goes_on_by_itself(grouped, method):
    first = grouped.seam.new_cache(method, offload=True)
    read(grouped, first, chunks=[40, 40])
    fork = first.fork()
    assert fork.offload == first.offload
    one, other = tiny.ids(16, seed=1), tiny.ids(16, seed=2)
    ahead = grouped.forward(one, first)
    assert not torch.equal(grouped.forward(other, fork), ahead)
    again = grouped.seam.new_cache(method, offload=True)
    read(grouped, again, chunks=[40, 40])
    assert torch.equal(grouped.forward(one, again), ahead)


def test_generate_writes_the_same_with_beams_and_after_a_restart(method):
    hf, prompts = tiny.hf(), torch.stack([tiny.ids(60, seed=seed) for seed in (1, 2)])
    asked = {"max_new_tokens": 8, "num_beams": 3, "do_sample": False}
    stays = patch(hf, method).generate(prompts, **asked)
    with patched(hf, method, offload=True):
        assert torch.equal(hf.generate(prompts, **asked), stays)
        cache = hf(prompts).past_key_values
        assert cache.offloaded_nbytes > 0
        cache.restart()
        assert cache.offloaded_nbytes == 0
    assert hf(prompts).past_key_values.offloaded_nbytes == 0  # as it was patched before
    unpatch(hf)


def test_layers_that_do_not_fetch_and_padded_batches_offload_nothing(grouped):
    method = METHODS_THAT_FETCH["keys"]
    cache = grouped.seam.new_cache(method, offload=True)
    assert [layer.offloaded is None for layer in cache.layers] == [True, False, False]
    padded = grouped.seam.new_cache(method, padded=True, offload=True)
    assert all(layer.offloaded is None for layer in padded.layers)
    assert all(layer.offloaded is None for layer in grouped.seam.new_cache(METHODS["vanilla"](), offload=True).layers)


def test_compressed_keys_are_refused():
    with pytest.raises(LongSightError, match="stores keys and values as one compressed vector"):
        variants.adopted("deepseek_v3").seam.new_cache(METHODS_THAT_FETCH["blocks"], offload=True)
