"""Once all layers are full, one written token is to the device as the next: what CUDA graphs ask of a step."""

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from longsight.generation.prefill import prefill
from tests.device.placed import on_cuda
from tests.longsight import tiny
from tests.longsight.matrix import variants
from tests.pretend_cuda import OnCuda

READ, TOKENS = 50, 5


class Tape(TorchDispatchMode):
    """What is asked of the device: operations, with all numbers that go into them and how their tensors lie."""

    def __init__(self):
        super().__init__()
        self.operations = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        told = [described(x) for x in (*args, *(kwargs or {}).items())]
        out = func(*args, **(kwargs or {}))
        if "OnCuda" in str(told) or "OnCuda" in str(described(out)):
            self.operations.append((str(func), told))
        return out


def described(x):
    if isinstance(x, OnCuda):
        return "OnCuda", x.dtype, tuple(x.shape), x.stride(), x.storage_offset()
    if isinstance(x, torch.Tensor):
        return "from the processor", x.tolist()
    return [described(each) for each in x] if isinstance(x, (list, tuple)) else x


CASES = [
    *(("llama", key) for key in ("lm-infinite", "streaming-llm", "window")),
    *(("mpt", "lm-infinite"), ("gptj", "window"), ("gpt_oss", "streaming-llm"), ("phi3, longrope", "lm-infinite")),
    *(("olmo3", "lm-infinite"), ("cohere2", "window"), ("qwen3_next", "window")),
]


@pytest.mark.parametrize(("name", "key"), CASES)
def test_every_token_is_the_same_work_and_nobody_waits(name, key, device):
    """All that differs between two tokens is on the device: the token, and a count."""
    here, there = variants.adopted(name), on_cuda(name)
    ids, method = tiny.ids(READ + TOKENS), variants.method(key)
    caches = [prefill(model, ids[:READ], method).cache for model in (here, there)]
    tapes = []
    for n in range(READ, READ + TOKENS):
        token = ids[n, None].to("cuda")
        device.waits.clear()
        with Tape() as tape:
            logits = there.forward(token, caches[1], logits_to_keep=1)
        assert not device.waits or n == READ
        tapes.append(tape.operations)
        torch.testing.assert_close(
            logits.cpu(), here.forward(ids[n, None], caches[0], logits_to_keep=1), atol=2e-5, rtol=0
        )
    for tape in tapes[2:]:
        assert tape == tapes[1]
    assert "from the processor" not in str(tapes[1])


def test_whoever_reads_several_tokens_in_between_is_counted_anew(device):
    here, there = variants.adopted("llama"), on_cuda("llama")
    ids, method, found = tiny.ids(READ + 12), variants.method("lm-infinite"), []
    for model in (here, there):
        cache, start, logits = prefill(model, ids[:READ], method).cache, READ, []
        for size in (1, 1, 3, 1, 1):
            logits.append(model.forward(ids[start : start + size], cache, logits_to_keep=1).cpu())
            start += size
            if size == 3:
                fork = cache.fork()
        logits.append(model.forward(ids[start, None], fork, logits_to_keep=1).cpu())
        found.append(torch.cat(logits))
    torch.testing.assert_close(*found, atol=2e-5, rtol=0)
