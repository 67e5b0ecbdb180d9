"""What is kept of a text, against a cache that is a plain list of everything."""

import random

import pytest
import torch

from longsight.attention.kept_keys import kept, slots
from longsight.attention.kept_layer import UNLIMITED, KeptLayer
from longsight.attention.kv_cache import Cache
from longsight.errors import LongSightError
from longsight.generation.decode import Sampling, decode
from longsight.generation.prefill import prefill
from longsight.methods import METHODS
from tests.longsight import tiny
from tests.longsight.tiny import TRAINED, defaults, ids, spread, usable


def numbered(start, stop, heads=2, channels=3):
    """Keys (1, head, token, channel) that carry their position; values carry it with the sign changed."""
    keys = torch.arange(start, stop, dtype=torch.float32).reshape(1, 1, -1, 1).expand(1, heads, -1, channels)
    return keys.clone(), -keys


def survivors(read, starting, window):
    """The positions that a list would keep after `read` tokens."""
    return [p for p in range(read) if window is None or p < starting or p >= read - window]


def test_any_sequence_of_chunks_leaves_what_a_list_would_keep():
    for seed in range(60):
        check_sequence(random.Random(seed))


def check_sequence(draw):
    starting, window = draw.choice([0, 1, 2, 5, 13]), draw.choice([1, 2, 3, 7, 16, None])
    layer, read = KeptLayer(starting, window), 0
    if draw.random() < 0.3:
        layer.reserve(draw.choice([1, 10, 1000]))
    for _ in range(draw.randint(1, 25)):
        n = draw.choice([1, 1, 1, 2, 3, 8, 20])
        new, before = numbered(read, read + n), survivors(read, starting, window)
        keys, values = layer.update(*new)
        read += n
        positions = layer.positions.tolist()
        # Every query of the chunk finds all it may see ...
        needed = set(survivors(read, starting, window)) | set(range(read - n, read))
        assert needed <= set(positions) <= set(before) | set(range(read - n, read))
        if n > 1:
            assert positions == sorted([*before, *range(read - n, read)]), "in ascending order"
        # ... each key at the position it is said to have, and each value with its key.
        assert keys[0, 0, :, 0].tolist() == positions
        assert torch.equal(values, -keys)
        assert len(positions) == len(set(positions))
        assert layer.length == layer.get_seq_length() == read


@pytest.mark.parametrize("key", METHODS)
def test_no_visible_key_is_ever_missing(key):
    """For every method: each query of each chunk finds every key that it sees."""
    n = 120
    everything = torch.arange(n)
    methods = [method for method in spread(key, 15) if method.retrieval is None]
    for method, chunk in [(method, (1, 7, 64)[k % 3]) for k, method in enumerate(methods)]:
        layer = KeptLayer(*kept(method, 0))
        for start in range(0, n, chunk):
            stop = min(start + chunk, n)
            layer.update(*numbered(start, stop, 1, 1))
            i = torch.arange(start, stop)
            seen = everything[method.visible(i[:, None], everything[None, :]).any(0)]
            assert set(seen.tolist()) <= set(layer.positions.tolist()), method.describe()


@pytest.mark.parametrize("starting", [0, 4, 10])
def test_a_ring_holds_exactly_its_starting_tokens_and_its_window_from_then_on(starting):
    method = METHODS["lm-infinite"](window=TRAINED, starting=starting)
    layer, slot = KeptLayer(*kept(method, 0)), 2 * 2 * 3 * 4  # key and value, heads, channels, float32
    assert layer.capacity == starting + TRAINED
    sizes = []
    for start in range(0, 300, 10):
        layer.update(*numbered(start, start + 10))
        sizes.append(layer.nbytes)
    assert set(sizes[6:]) == {(starting + TRAINED) * slot}
    assert max(sizes) == sizes[-1]


@pytest.mark.parametrize("key", METHODS)
def test_cache_bytes_predicts_what_a_prefill_leaves(grouped, key):
    for method in usable(grouped, key, 4)[2:]:
        for n in (5, TRAINED, 110):
            read = prefill(grouped, ids(n), method, chunk=50)
            assert grouped.cache_bytes(method, n) == read.cache.nbytes, f"{method.describe()} after {n} tokens"
            assert read.cache.length == method.keeps(n)


@pytest.mark.parametrize("key_heads", [4, 2])
def test_lm_infinite_uses_the_same_bytes_for_any_length(key_heads):
    model = tiny.model(key_heads=key_heads)
    method = METHODS["lm-infinite"](window=TRAINED, starting=4)
    sizes = {n: prefill(model, ids(n), method, chunk=32).cache.nbytes for n in (36, 37, 100, 400)}
    config = model.hf.config
    slot = 2 * config.num_key_value_heads * (config.hidden_size // config.num_attention_heads) * 4
    assert set(sizes.values()) == {config.num_hidden_layers * (TRAINED + 4) * slot}


def test_only_layers_that_retrieve_keep_everything(grouped):
    method = METHODS["lm-infinite"](window=TRAINED, starting=4, top_k=3, from_layer=2)
    cache = prefill(grouped, ids(200), method).cache
    assert [layer.window for layer in cache.layers] == [TRAINED, TRAINED, UNLIMITED]
    assert [slots(method, 200, layer) for layer in range(3)] == [TRAINED + 4, TRAINED + 4, 200]


def test_growing_token_by_token_takes_at_most_a_quarter_more_than_is_needed():
    layer, slot = KeptLayer(0, None), 2 * 2 * 3 * 4
    layer.update(*numbered(0, 40))
    for p in range(40, 1000):
        layer.update(*numbered(p, p + 1))
        assert (p + 1) * slot <= layer.nbytes <= (p + 1) * slot * 5 / 4 + slot


def test_a_reserved_text_takes_its_room_once():
    layer, slot = KeptLayer(0, None), 2 * 2 * 3 * 4
    layer.reserve(500)
    layer.update(*numbered(0, 10))
    first = layer.keys.data_ptr()
    for start in range(10, 500, 10):
        layer.update(*numbered(start, start + 10))
    assert layer.nbytes == 500 * slot
    assert layer.keys.data_ptr() == first, "nothing was copied"


@pytest.mark.parametrize("key", ["vanilla", "lm-infinite"])
def test_an_answer_that_room_was_taken_for_takes_no_more(grouped, key):
    method, n, room = METHODS[key].for_model(TRAINED, 110), 110, 20
    read = prefill(grouped, ids(n), method, room=room)
    buffers = [layer.keys.data_ptr() for layer in read.cache.layers]
    assert read.cache.nbytes == grouped.cache_bytes(method, n + room)
    for _ in decode(grouped, read, Sampling(max_new_tokens=room, stop=frozenset())):
        assert [layer.keys.data_ptr() for layer in read.cache.layers] == buffers, "nothing was copied"
    assert read.cache.nbytes == grouped.cache_bytes(method, n + room)


@pytest.mark.parametrize("key", ["vanilla", "lm-infinite", "self-extend", "infllm"])
def test_room_that_holds_nothing_yet_is_neither_filled_nor_read(grouped, key):
    method, n, room = METHODS[key].for_model(TRAINED, 110), 110, 20

    def written():
        read = prefill(grouped, ids(n), method, chunk=16, room=room)
        ahead = read.cache.layers[0].keys[:, :, n:].clone()
        return ahead, list(decode(grouped, read, Sampling(max_new_tokens=room, stop=frozenset())))

    _, expected = written()
    torch.use_deterministic_algorithms(True)  # what nobody has filled holds NaN then
    try:
        ahead, found = written()
    finally:
        torch.use_deterministic_algorithms(False)
    assert ahead.isnan().all()
    assert found == expected


def test_a_ring_never_reserves_more_than_it_can_hold():
    layer = KeptLayer(4, 16)
    layer.reserve(1_000_000)
    layer.update(*numbered(0, 3))
    assert layer.keys.shape[2] == 20


def test_a_ring_that_has_read_two_hundred_million_tokens_goes_on_as_one_that_has_read_few(grouped):
    """The method's law is the same everywhere, so the text continues with the same logits."""
    method = METHODS["lm-infinite"](window=TRAINED, starting=4)
    near, far = (prefill(grouped, ids(100), method).cache for _ in range(2))
    for layer in far.layers:
        layer.length += 200_000_000 // TRAINED * TRAINED  # whole turns of the ring: every key keeps its slot
    more = ids(70, seed=1)
    for part in (more[:1], more[1:2], more[2:]):
        a, b = grouped.forward(part, near), grouped.forward(part, far)
        torch.testing.assert_close(b, a, atol=1e-5, rtol=1e-5)
    assert far.length > 2e8 - TRAINED


def test_an_empty_cache_holds_nothing():
    cache = Cache(defaults("vanilla"), [defaults("vanilla")] * 2)
    assert (cache.length, cache.nbytes, list(cache.ids)) == (0, 0, [])


def test_a_padded_cache_keeps_everything():
    method = METHODS["lm-infinite"](window=8)
    cache = Cache(method, [method] * 2, padded=True)
    assert {layer.window for layer in cache.layers} == {UNLIMITED}


def test_rows_of_a_batch_can_be_repeated_and_chosen():
    layer = KeptLayer(1, 3)
    keys = torch.arange(2.0).reshape(2, 1, 1, 1).expand(2, 1, 6, 1) + 10 * torch.arange(6.0).reshape(1, 1, 6, 1)
    layer.update(keys, -keys)
    layer.batch_repeat_interleave(2)
    assert layer.keys[:, 0, 0, 0].tolist() == [0, 0, 1, 1]
    layer.batch_select_indices(torch.tensor([3, 0]))
    assert layer.values[:, 0, 0, 0].tolist() == [-1, 0]
    assert layer.keys.shape == (2, 1, 4, 1)


def test_taking_tokens_back_is_refused():
    with pytest.raises(LongSightError, match="let go of what they replaced; generate without an assistant"):
        KeptLayer(0, None).crop(-1)


def test_a_reset_layer_begins_again():
    layer = KeptLayer(1, 3)
    layer.update(*numbered(0, 9))
    layer.reset()
    assert layer.nbytes == 0
    layer.update(*numbered(0, 2))
    assert layer.positions.tolist() == [0, 1]


@pytest.mark.parametrize("length", [0, 5, 40, 100])
@pytest.mark.parametrize(("starting", "window"), [(0, None), (3, 16)])
def test_a_fork_goes_on_by_itself(starting, window, length):
    """Neither of the two sees what the other reads, whether there is room left or slots are being overwritten."""
    layer = KeptLayer(starting, window)
    if length:
        layer.reserve(length + 50)
        layer.update(*numbered(0, length))
    fork = layer.fork()
    ours, theirs = numbered(length, length + 9), [-99 * x for x in numbered(length, length + 9)]
    fork.update(*theirs)
    keys, values = layer.update(*ours)
    assert keys[0, 0, :, 0].tolist() == layer.positions.tolist()
    assert torch.equal(values, -keys)
    assert (layer.length, fork.length) == (length + 9, length + 9)


def test_a_forked_cache_answers_as_the_first_one_does():
    model = tiny.model()
    method = METHODS["lm-infinite"](window=12, starting=3)
    first = prefill(model, ids(70), method).cache
    fork = first.fork()
    assert (fork.length, fork.nbytes, fork.ids, fork.method) == (70, first.nbytes, first.ids, method)
    other = prefill(model, ids(20, 5), method, first).logits
    assert torch.equal(prefill(model, ids(20, 5), method, fork).logits, other)
    assert fork.ids == first.ids
    assert fork.ids is not first.ids


@pytest.mark.parametrize("place", [0, 2])
def test_a_cache_that_a_failed_call_left_half_read_is_not_gone_on_with(place, monkeypatch):
    """As when memory runs out in the middle of the layers."""
    model = tiny.model()
    cache = prefill(model, ids(20), defaults("vanilla")).cache

    def full(hidden_states):
        raise MemoryError

    with monkeypatch.context() as patched:
        patched.setattr(model.hf.model.layers[place].mlp, "forward", full)
        with pytest.raises(MemoryError):
            prefill(model, ids(5), defaults("vanilla"), cache)
    for again in (cache, cache.fork()):
        with pytest.raises(LongSightError, match="A call that failed left this cache half-read; read the text again"):
            prefill(model, ids(5), defaults("vanilla"), again)


def test_a_refusal_inside_a_layer_leaves_no_cache_that_could_be_gone_on_with():
    """Transformers stores a layer's keys before it asks for attention."""
    model = tiny.model(attention_dropout=0.5)
    cache = prefill(model, ids(20), defaults("vanilla")).cache
    model.hf.train()
    with pytest.raises(LongSightError, match="training mode"):
        prefill(model, ids(5), defaults("vanilla"), cache)
    model.hf.eval()
    with pytest.raises(LongSightError, match="half-read"):
        prefill(model, ids(5), defaults("vanilla"), cache)
