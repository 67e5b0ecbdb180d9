"""How much a written token launches on the device, beside the stock model. Without a graph that is what it costs."""

from functools import cache

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from transformers import DynamicCache

from longsight.generation.decode import Sampling, decode
from longsight.generation.prefill import prefill
from longsight.methods import METHODS
from longsight.models.model import adopt
from longsight.models.module_patching import cache_keyword
from tests.longsight import tiny

VIEWS = {
    "_unsafe_view", "alias", "as_strided", "chunk", "detach", "detach_", "empty", "empty_like", "expand", "flatten",
    "item", "mT", "reshape", "resolve_conj", "resolve_neg", "select", "slice", "split", "squeeze", "t", "transpose",
    "unbind", "unflatten", "unsqueeze", "view",
}  # fmt: skip
"""Operations that launch nothing on a device."""


class Launches(TorchDispatchMode):
    """Counts operations that compute something, with tensors on `device`; not those that return what they are given."""

    def __init__(self, device: str) -> None:
        super().__init__()
        self.count, self.device = 0, device

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        found = operation(*args, **(kwargs or {}))
        there = any(getattr(x, "device", None) == torch.device(self.device) for x in tree_leaves((args, kwargs, found)))
        name = operation.name().partition("::")[2].partition(".")[0]
        self.count += there and name not in VIEWS and not (name == "to" and found is args[0])
        return found


def build():
    return tiny.hf("llama", num_hidden_layers=24).bfloat16()


@pytest.fixture(scope="module")
def stock():
    """Counted on the CPU, in inference mode: there its attention is one operation, as on the device."""
    hf, ids = build(), tiny.ids(40)[None]
    kept = {cache_keyword(hf): DynamicCache()}
    with torch.inference_mode():
        hf(ids, use_cache=True, **kept)
        with Launches("cpu") as launches:
            hf(ids[:, :1], use_cache=True, **kept)
    return launches.count


@cache
def model():
    return adopt(build().to("cuda"))


FETCHING_OR_SPLIT = {"infllm", "reattention", "duo"}
"""They do more for a token than attend once to each band."""


@pytest.mark.parametrize("key", [key for key in METHODS if key not in FETCHING_OR_SPLIT])
def test_a_written_token_launches_less_than_the_stock_model_does(key, stock, device):
    read = prefill(model(), tiny.ids(40), METHODS[key].for_model(16, 60))
    written = decode(model(), read, Sampling(max_new_tokens=4, stop=frozenset()))
    for _ in range(3):  # the first two make copies
        next(written)
    with Launches("cuda:0") as ours:
        next(written)
    assert ours.count < stock
