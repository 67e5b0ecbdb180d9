"""One query over a cache as it lies, against the plain definition over all keys."""

import random
from dataclasses import replace
from itertools import accumulate

import pytest
import torch

from longsight.attention.encoding import by_channel, rotate, rotate_few
from longsight.attention.kept_keys import kept
from longsight.attention.kept_layer import KeptLayer, joined
from longsight.attention.one_query import FEW, Heard, attend_one_query, copies_of_keys, plan_one
from longsight.attention.plain import plain
from longsight.attention.turned_keys import TurnedKeys
from longsight.generation.decode import Sampling, decode
from longsight.generation.patching import patched
from longsight.generation.prefill import prefill
from longsight.methods import METHODS
from longsight.methods.bands import Band, at, beyond, recent
from tests.longsight import tiny
from tests.longsight.test_attention import ENCODINGS, FITTING, SCALING, close, random_heads
from tests.longsight.test_cache import numbered
from tests.longsight.test_footprint import method_of, random_method
from tests.longsight.tiny import defaults, ids, spread, usable

READ, WRITTEN = 44, 40


def written(q, k, v, method, encoding, pieces=(READ,)):
    """What tokens see that are written one by one after `pieces` -> (batch, head, query, channel), and the layer."""
    layer, start, parts = KeptLayer(*kept(method, 0)), 0, []
    for size in (*pieces, *[1] * (q.shape[2] - sum(pieces))):
        stop = start + size
        layer.update(k[:, :, start:stop], v[:, :, start:stop])
        if size == 1:
            one = q[:, :, start:stop]
            parts.append(attend_one_query(one, layer, plan_one(layer, Heard(method, encoding), one), SCALING)[0])
        start = stop
    return torch.cat(parts, dim=2), layer


CASES = [(key, name, FEW) for key, name in FITTING] + [(key, "rope", few) for key in METHODS for few in (0, 5)]


@pytest.mark.parametrize(("key", "name", "few"), CASES)
def test_tokens_written_one_by_one_are_the_plain_definition(key, name, few, monkeypatch):
    """With all starting or far keys moved, with few of them, and with none, so that all are merged."""
    monkeypatch.setattr("longsight.attention.one_query.FEW", few)
    n, encoding = READ + WRITTEN, ENCODINGS[name]
    q, k, v = random_heads(n, 2, batch=2)
    i = torch.arange(n)
    for method in spread(key, 5)[2:]:
        law = plain(q[:, :, READ:], k, v, i[READ:], i, method, encoding, scaling=SCALING)
        far = 2**40 in vars(method).values()  # angles of 1e12 turns are rounded, in the definition too
        close(written(q, k, v, method, encoding)[0], law, method, 1e-3 if far else 1e-5)


@pytest.mark.parametrize("key", METHODS)
def test_reading_more_in_between_changes_nothing(key):
    n, pieces = 100, (20, 1, 1, 1, 30, 1, 1, 9, 1)
    q, k, v = random_heads(n, 4)
    i, single = torch.arange(n), torch.tensor([20, 21, 22, 53, 54, 64, *range(65, n)])
    for method in (defaults(key, 100), defaults(key, 400)):
        law = plain(q[:, :, single], k, v, single, i, method, ENCODINGS["rope"], scaling=SCALING, layer=-1)
        close(written(q, k, v, method, ENCODINGS["rope"], pieces)[0], law, method)


def test_keys_that_come_back_to_where_they_were_are_turned_back():
    """A band moves the few keys of a chunk that has just begun, and has them in their places when they are many."""
    draw, rope = random.Random(3), ENCODINGS["rope"]
    q, k, v = random_heads(90, 2)
    i = torch.arange(90)
    for method in (METHODS["dual-chunk"](chunk=20, length=30), *(random_method(draw) for _ in range(8))):
        for few in (3, 8):
            with pytest.MonkeyPatch.context() as patched:
                patched.setattr("longsight.attention.one_query.FEW", few)
                law = plain(q[:, :, 10:], k, v, i[10:], i, method, rope, scaling=SCALING)
                close(written(q, k, v, method, rope, (10,))[0], law, method)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("interleaved", [False, True])
@pytest.mark.parametrize("channels", [16, 22])
def test_few_are_rotated_to_the_same_bits(channels, interleaved, dtype):
    """Where all channels turn, and where some stay."""
    x = random_heads(9, 2)[0].repeat(1, 1, 1, 2)[..., :channels].to(dtype)
    table = replace(ENCODINGS["rope"], inv_freq=torch.rand(8, dtype=torch.float64)).table(torch.arange(9), x)
    found = rotate_few(x, by_channel(table, interleaved), interleaved)
    assert torch.equal(found, rotate(x, table, interleaved))


FAR = 200_000_000


@pytest.mark.parametrize("key", METHODS)
def test_angles_are_exact_two_hundred_million_tokens_in(key):
    """A ring whose latest keys stand near 2e8, and its starting tokens at the beginning."""
    q, k, v = random_heads(90, 2)
    rope = ENCODINGS["rope"]
    for method in spread(key, 5)[2:]:
        layer = KeptLayer(*kept(method, 0))
        if layer.capacity > 60:
            continue
        layer.update(k[:, :, :60], v[:, :, :60])
        layer.length += FAR // layer.window * layer.window  # whole turns of the ring: every key keeps its slot
        for n in range(60, 90):
            one = q[:, :, n : n + 1]
            layer.update(k[:, :, n : n + 1], v[:, :, n : n + 1])
            i = torch.tensor([layer.length - 1])
            out, _ = attend_one_query(one, layer, plan_one(layer, Heard(method, rope), one), SCALING)
            law = plain(one, layer.keys, layer.values, i, layer.positions, method, rope, scaling=SCALING)
            close(out, law, method, 1e-4)


def test_a_turned_key_is_not_turned_again():
    """Otherwise a written token would cost as much as before."""
    method = METHODS["vanilla"]()
    q, k, v = random_heads(40, 2)
    _, layer = written(q, k, v, method, ENCODINGS["rope"], (30,))
    (copies,) = layer.turned.values()
    copies.keys[..., :39, :] = torch.nan
    layer.update(k[:, :, :1], v[:, :, :1])
    plan = plan_one(layer, Heard(method, ENCODINGS["rope"]), q)
    assert attend_one_query(q[:, :, :1], layer, plan, SCALING)[0].isnan().all()


@pytest.mark.parametrize("key", METHODS)
def test_copies_are_seldom_made_anew(key, monkeypatch):
    """Where a chunk begins or frequencies change, but not for each token: that would be slower than no copies."""
    made, rope = [], ENCODINGS["rope"]
    make = TurnedKeys.of
    monkeypatch.setattr(TurnedKeys, "of", staticmethod(lambda *given: made.append(given) or make(*given)))
    q, k, v = random_heads(130, 2)
    for method in (defaults(key, 130), defaults(key, 1000)):
        made.clear()
        written(q, k, v, method, rope, (70,))
        assert 0 < len(made) <= 12, f"{method.describe()}: {len(made)} copies for 60 tokens"


@pytest.mark.parametrize(
    ("slots", "expected"),
    [
        ([(3, 5), (0, 3)], [(0, 5)]),
        ([(0, 2), (3, 4)], [(0, 2), (3, 4)]),
        ([(1, 2), (2, 3), (5, 6)], [(1, 3), (5, 6)]),
        ([], []),
    ],
)
def test_neighbouring_slots_are_one_slice(slots, expected):
    assert [(each.start, each.stop) for each in joined([slice(*each) for each in slots])] == expected


@pytest.mark.parametrize(("starting", "window"), [(0, None), (3, 7), (0, 1), (5, 2)])
@pytest.mark.parametrize("pieces", [[1] * 40, [2, 1, 1, 9, 1, 3, 1, 1, 6, 14], [40]])
def test_slices_hold_the_keys_of_an_interval_and_no_others(starting, window, pieces):
    layer = KeptLayer(starting, window)
    for p in accumulate(pieces):
        keys, _ = layer.update(*numbered(layer.length, p))
        there = layer.positions.tolist()
        for first, last in ((0, p), (p - 1, p), (2, 5), (max(p - 7, 0), p), (p // 2, p - 1), (4, 2)):
            found = [int(x) for piece in layer.slices(first, last) for x in keys[0, 0, piece, 0]]
            assert sorted(found) == sorted(x for x in there if first <= x < last), (p, first, last)


def test_how_many_copies_a_method_needs():
    wanted = {
        "vanilla": 1,
        "lm-infinite": 1,
        "streaming-llm": 1,
        "self-extend": 2,
        "rerope": 1,
        "leaky-rerope": 2,
        "dual-chunk": 1,
    }
    assert {key: copies_of_keys(defaults(key), ENCODINGS["rope"]) for key in wanted} == wanted
    assert copies_of_keys(defaults("self-extend"), ENCODINGS["alibi"]) == 0
    assert (
        copies_of_keys(method_of(Band("a", recent(5), k_position=at(0)), Band("b", beyond(5))), ENCODINGS["rope"]) == 1
    )


@pytest.mark.parametrize("key", METHODS)
def test_the_memory_told_for_writing_is_the_memory_taken_and_given_back(grouped, key):
    for method in usable(grouped, key, 3):
        read = prefill(grouped, ids(100), method, chunk=33)
        if read.cache.length < 100:
            continue
        read.cache.reserve(200)
        tokens = decode(grouped, read, Sampling(stop=frozenset(), max_new_tokens=9))
        for _ in range(4):
            next(tokens)
        layers = list(read.cache.kept_layers)
        copies = copies_of_keys(method, grouped.seam.encoding)
        held = sum(layer.keys.nbytes + layer.values.nbytes for layer in layers)
        held += sum(memory.nbytes for layer in layers for memory in layer.memories.values())
        assert held < read.cache.nbytes <= held + copies * sum(layer.keys.nbytes for layer in layers)
        if all(layer.keys.shape[2] == layer.capacity for layer in layers):
            assert read.cache.nbytes == grouped.cache_bytes(method, read.cache.length, writing=True)
        tokens.close()
        assert read.cache.nbytes == held


@pytest.mark.parametrize("key", METHODS)
def test_writing_without_turned_keys_gives_the_same_logits(grouped, key):
    for method in usable(grouped, key, 3):
        cache = prefill(grouped, ids(90), method, chunk=40).cache
        fork = cache.fork()
        fork.turns = False
        for token in ids(12, 1):
            with_turned, without = (grouped.forward(token[None], each, retrieves=True) for each in (cache, fork))
            torch.testing.assert_close(with_turned, without, atol=1e-4, rtol=0, msg=method.describe())
        assert not any(layer.turned for layer in fork.kept_layers)
        assert cache.fork().nbytes < cache.nbytes or not any(layer.turned for layer in cache.kept_layers)


def test_beams_take_their_turned_keys_along():
    layer = KeptLayer(0, None)
    q, k, v = random_heads(30, 2, batch=3)
    method, rope = METHODS["vanilla"](), ENCODINGS["rope"]
    for n in range(30):
        layer.update(k[:, :, n : n + 1], v[:, :, n : n + 1])
        one = q[:, :, n : n + 1]
        out, _ = attend_one_query(one, layer, plan_one(layer, Heard(method, rope), one), SCALING)
        i = torch.arange(n + 1)
        close(out, plain(one, k[:, :, : n + 1], v[:, :, : n + 1], i[-1:], i, method, rope, scaling=SCALING), method)
        order = torch.tensor([1, 1, 0])
        layer.batch_select_indices(order)
        k, v = k[order], v[order]


def test_rows_that_change_places_take_their_turned_keys_along():
    """As beams do, between one written token and the next."""
    hf, rows, more = tiny.hf(), torch.stack((ids(20), ids(20, seed=1))), torch.tensor([[5], [5]])
    with patched(hf, defaults("vanilla")):
        kept, swapped = (hf(rows, use_cache=True).past_key_values for _ in range(2))
        for cache in (kept, swapped):
            hf(more, past_key_values=cache)
        swapped.reorder_cache(torch.tensor([1, 0]))
        expected, found = (hf(more, past_key_values=cache).logits for cache in (kept, swapped))
    torch.testing.assert_close(found, expected.flip(0))
    assert (expected[0] - expected[1]).abs().max() > 0.1
