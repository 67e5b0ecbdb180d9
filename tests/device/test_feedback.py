"""A token goes into the next step before the processor knows it: what is said, and what is left, is as on the CPU."""

from itertools import islice

import pytest
import torch

from longsight.generation.decode import Sampling, decode
from longsight.generation.prefill import prefill
from longsight.methods import METHODS
from tests.device.placed import on_cuda
from tests.longsight import tiny
from tests.longsight.matrix import variants

READ, MORE = tiny.distinct(34), tiny.distinct(38)[34:]
MODELS = ["mpt, six heads", "phi3, longrope", "gpt_oss", "llama4_text", "deepseek_v3", "qwen3_next", "gemma2"]
KEYS = [key for key in METHODS if variants.method(key).retrieval is None]
CASES = [
    *(("llama", key, 0.0) for key in [*KEYS, "infllm"]),
    *((name, "lm-infinite", 0.0) for name in MODELS),
    *(("llama", key, 2.0) for key in ("vanilla", "window")),
]
NEVER = frozenset[int]()


def latest(answer):
    """The token that comes up last for the first time."""
    return max(set(answer), key=answer.index)


@pytest.mark.parametrize(("name", "key", "temperature"), CASES)
def test_a_stop_token_was_never_read(name, key, temperature, device):
    """Nor was one after which nobody asked for another: both caches go on alike, by many tokens and by one."""
    method, twins = variants.method(key), (variants.adopted(name), on_cuda(name))
    answer = list(decode(twins[0], prefill(twins[0], READ, method), Sampling(temperature, 1.0, 3, NEVER, 6)))
    stop = latest(answer)
    for how in (frozenset([stop]), None):
        reads = [prefill(model, READ, method) for model in twins]
        for model, read in zip(twins, reads, strict=True):
            said = decode(model, read, Sampling(temperature, 1.0, 3, how or NEVER, 6))
            said = list(said) if how else list(islice(said, 4))
            assert said == answer[: answer.index(stop) if how else 4]
            assert read.cache.length == len(read.cache.ids)
        here, there = (read.cache for read in reads)
        assert here.ids == there.ids
        for more in (MORE, MORE[:1], MORE[:1]):
            expected, found = (model.forward(more, read.cache) for model, read in zip(twins, reads, strict=True))
            assert torch.allclose(expected, found.cpu(), atol=1e-5)
