"""One measurement: what it counts of memory, and when."""

import pytest
import torch

from benchmarks.measure import Meter, measure_once, read_with_method, read_with_stock
from longsight.models.model import adopt
from tests.longsight import tiny

WRITTEN = 3


@pytest.fixture(scope="module")
def model():
    return adopt(tiny.hf())


def test_memory_is_told_after_writing():
    events = []

    def read(ids):
        return lambda: events.append("cache") or len(events) - 1, lambda: events.append("token")

    meter = Meter(lambda: 0.0, lambda: events.append("forget") or 1, lambda: events.append("peak") or 8)
    result = measure_once(read, torch.arange(100), 2, meter)
    assert events == ["forget", "cache", *["token"] * 3, "peak", "cache"]
    assert (result.peak, result.stored, result.cache) == (7, 1, 6)


@pytest.mark.parametrize("key", ["vanilla", "self-extend"])
def test_what_is_written_finds_its_place_and_the_cache_counts_the_keys_turned_for_it(model, key):
    """No layer grows: keys and values have as many slots as tokens, and the copies of keys as many as keys."""
    n = 96
    cache, step = read_with_method(model, model.method(key, 96), tiny.ids(n), chunk=64, room=WRITTEN)
    before = cache()
    shape = model.hf.config
    token = 4 * shape.num_hidden_layers * shape.num_key_value_heads * shape.head_dim
    assert before == 2 * token * (n + WRITTEN)
    for _ in range(WRITTEN + 1):
        step()
    assert cache() - before in (token * (n + WRITTEN), 2 * token * (n + WRITTEN))


def test_stock_counts_what_it_wrote():
    hf = tiny.hf()
    cache, step = read_with_stock(hf, tiny.ids(96), chunk=64)
    before = cache()
    step()
    assert cache() * 96 == before * 97
