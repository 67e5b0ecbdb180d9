"""What a method declares that it may still need: what contradicts itself is refused, and random spans lose no key."""

import random
from dataclasses import dataclass, replace
from functools import reduce
from operator import and_

import pytest
import torch

from longsight import METHODS, patch, prefill
from longsight.attention.kept_keys import kept, receptive_field
from longsight.attention.kept_layer import KeptLayer
from longsight.attention.kv_cache import Cache
from longsight.attention.plain import plain
from longsight.errors import LongSightError
from longsight.methods.bands import EVERYTHING, Band, Footprint, Span, after, beyond, causal, recent, starting
from longsight.methods.base import Method
from longsight.methods.contract import check_contract
from tests.longsight import tiny
from tests.longsight.matrix import cell
from tests.longsight.test_attention import ENCODINGS, SCALING, close, fast, random_heads
from tests.longsight.toy import SameChunk


def same_chunk(size, footprint=None):
    """The keys of the query's own chunk; declared with what they need, unless something else is."""
    return Span(lambda i: i // size * size, lambda i: i + 1, footprint or Footprint(0, size))


def method_of(*bands):
    """A method that is nothing but these bands."""

    @dataclass(frozen=True)
    class Banded(Method):
        title = "Banded"

        def visible(self, i, j):
            return sum(band.visible(i, j).long() for band in bands) > 0

        def distance(self, i, j):
            told = torch.zeros(torch.broadcast_shapes(i.shape, j.shape), dtype=torch.float64)
            for band in bands:
                told = torch.where(band.visible(i, j), band.distance(i, j).double(), told)
            return told

        @property
        def bands(self):
            return bands

    return Banded()


# Chunked attention


@pytest.mark.parametrize("name", ["llama", "bloom", "gptj"])
@pytest.mark.parametrize("chunk", [1, 7, 16])
def test_chunked_attention_is_the_definition_in_every_way_of_reading(name, chunk):
    cell.check(name, SameChunk(chunk))


@pytest.mark.parametrize("chunk", [1, 7, 16])
def test_chunked_attention_remembers_one_chunk(grouped, chunk):
    cache = prefill(grouped, tiny.ids(70), SameChunk(chunk), chunk=9).cache
    assert {layer.keys.shape[2] for layer in cache.layers} == {chunk}
    assert receptive_field([SameChunk(chunk)] * 3) == (0, 3 * chunk)
    assert grouped.cache_bytes(SameChunk(chunk), 70) == cache.nbytes


def test_a_span_that_declares_nothing_lets_go_of_nothing(grouped):
    method = method_of(Band("own chunk", Span(lambda i: i // 16 * 16, lambda i: i + 1)))
    cache = prefill(grouped, tiny.ids(70), method, chunk=9).cache
    assert {layer.keys.shape[2] for layer in cache.layers} == {70}
    torch.testing.assert_close(
        grouped.logits(tiny.ids(70), method, 9), cell.defined(grouped, tiny.ids(70), SameChunk(16)), atol=1e-4, rtol=0
    )


# What spans declare, and what their compositions do


@pytest.mark.parametrize(
    ("span", "declared"),
    [
        (causal(), EVERYTHING), (beyond(8), EVERYTHING), (after(8), EVERYTHING),
        (Span(causal().first, causal().last), EVERYTHING),
        (recent(8), (0, 8)), (starting(4), (4, 0)), (same_chunk(8), (0, 8)),
        (causal() & recent(8), (0, 8)), (recent(8) & recent(3), (0, 3)), (starting(4) & beyond(8), (4, 0)),
        (starting(4) & recent(100), (4, 0)), (starting(4) & starting(2), (2, 0)), (beyond(8) & after(2), EVERYTHING),
        (same_chunk(8) & beyond(2), (0, 8)),
    ],
)  # fmt: skip
def test_a_composition_needs_no_more_than_its_parts(span, declared):
    assert span.cache_footprint == declared


def test_a_cache_keeps_what_any_band_needs():
    assert kept(method_of(Band("a", recent(5)), Band("b", starting(3) & beyond(5))), 0) == (3, 5)
    assert kept(method_of(Band("a", recent(5)), Band("b", beyond(5) & recent(9))), 0) == (0, 9)
    assert kept(method_of(Band("a", recent(5)), Band("b", beyond(5))), 0) == EVERYTHING


# Random spans against the definition


def random_span(draw):
    """Up to three random spans at once: those of the methods, chunks, and ends that declare nothing."""
    size, count = draw.choice([1, 2, 5, 8, 13]), draw.choice([0, 1, 4, 11])
    kinds = (
        causal(), recent(draw.choice([3, 8, 20])), beyond(size), starting(count), after(count), same_chunk(size),
        Span(lambda i: (i // size - 1).clamp(min=0) * size, lambda i: i // size * size, Footprint(0, 2 * size)),
        Span(lambda i: i // (2 * size), lambda i: i // size),
        Span(lambda i: (i // size - 2).clamp(min=0) * size, lambda i: (i // size - 1).clamp(min=0) * size + 1),
    )  # fmt: skip
    return reduce(and_, draw.sample(kinds, draw.randint(1, 3)))


def random_method(draw):
    """Everything near, and a random span of what is far: cut into chunks, or told that it is less far."""
    near, group = draw.choice([1, 3, 6]), draw.choice([1, 2, 3])
    own = recent(near) if draw.random() < 0.7 else same_chunk(near)
    far = Band("far", random_span(draw) & beyond(near), lambda i: i // group + near, lambda j: j // group)
    return method_of(Band("near", own), far)


def through_any_chunks(q, k, v, method, encoding, draw):
    """All queries through the method's cache: in chunks of random sizes, and the last ten one by one."""
    n, start, parts = q.shape[2], 0, []
    layer = KeptLayer(*kept(method, 0))
    while start < n:
        stop = min(start + draw.choice([1, 2, 9, 17, 30]), n - 10) if start < n - 10 else start + 1
        keys, values = layer.update(k[:, :, start:stop], v[:, :, start:stop])
        i = torch.arange(start, stop)
        parts.append(fast(q[:, :, start:stop], keys, values, i, layer.positions, method, encoding))
        start = stop
    return torch.cat(parts, dim=2)


def test_random_spans_through_their_cache_are_the_definition_over_all_keys():
    n, forgetful = 90, 0
    q, k, v = random_heads(n, 2)
    i = torch.arange(n)
    for seed in range(100):
        draw = random.Random(seed)
        method, encoding = random_method(draw), ENCODINGS[draw.choice(["rope", "alibi"])]
        check_contract(method)
        law = plain(q, k, v, i, i, method, encoding, scaling=SCALING)
        close(through_any_chunks(q, k, v, method, encoding, draw), law, method)
        forgetful += kept(method, 0).window is not None
    assert forgetful > 30, "many of them must let go of something"


def test_a_key_that_was_let_go_of_too_early_would_show():
    """Otherwise the test above would prove less than it says."""
    q, k, v = random_heads(90, 2)
    i, method = torch.arange(90), method_of(Band("own chunk", same_chunk(16, Footprint(0, 4))))
    law = plain(q, k, v, i, i, method, ENCODINGS["rope"], scaling=SCALING)
    with pytest.raises(AssertionError):
        close(through_any_chunks(q, k, v, method, ENCODINGS["rope"], random.Random(0)), law, method)


# What is refused


@pytest.mark.parametrize("size", [2, 3, 100, 1000, 4097, 65_537, 1_000_003, 2**35 + 1])
def test_a_chunk_of_any_size_that_declares_too_little_is_found_and_one_that_declares_enough_is_not(size):
    for short in (1, size // 2, size - 1):
        with pytest.raises(LongSightError) as caught:
            check_contract(method_of(Band("own chunk", same_chunk(size, Footprint(0, short)))))
        assert f"only the first 0 keys of a text and the {short:,} most recent ones are needed" in str(caught.value)
    assert f"query {size - 1:,} sees the key 0, {size - 1:,} tokens before it; declare a cache_f" in str(caught.value)
    check_contract(method_of(Band("own chunk", same_chunk(size))))


@pytest.mark.parametrize(
    ("span", "said"),
    [
        (
            Span(lambda i: (i - 9).clamp(min=0), lambda i: i + 1, Footprint(0, 9)),
            "the query 9 sees the key 0, 9 tokens",
        ),
        (Span(torch.zeros_like, lambda i: (i + 1).clamp(max=9), Footprint(8, 2)), "sees the key 8"),
        (replace(causal(), cache_footprint=Footprint(3, 5)), "the first 3 keys of a text and the 5 most recent ones"),
        (Span(lambda i: 8 - i.clamp(max=8), lambda i: i + 1), "first of its band 'odd' falls from 8 to 7"),
        (Span(torch.zeros_like, lambda i: i // 100 + 1 - i // 200 * 2), "last of its band 'odd' falls from 2 to 1"),
        (Span(torch.zeros_like, lambda i: i + 2), "shows the query 0 keys of its future"),
    ],
)
def test_what_breaks_the_contract_of_a_span_is_said(span, said):
    with pytest.raises(LongSightError, match="Banded: ") as caught:
        check_contract(method_of(Band("odd", span)))
    assert said in str(caught.value)


def test_bands_that_say_something_else_than_the_law_are_refused():
    @dataclass(frozen=True)
    class Forgotten(SameChunk):
        bands = Method.bands

    @dataclass(frozen=True)
    class Shifted(SameChunk):
        def distance(self, i, j):
            return i - j + 1

    for method in (Forgotten(8), Shifted(8)):
        with pytest.raises(LongSightError, match="Same chunk: its bands do not say what its visible and distance say"):
            check_contract(method)
    twice = method_of(Band("a", recent(5)), Band("b", recent(3)))
    with pytest.raises(LongSightError, match="they must show every visible key once"):
        check_contract(twice)


def test_neither_a_patch_nor_a_cache_is_made_for_a_method_that_contradicts_itself(grouped):
    wrong = method_of(Band("own chunk", same_chunk(16, Footprint(0, 8))))
    hf = tiny.hf()
    before = cell.state(hf)
    with pytest.raises(LongSightError, match="declare a cache_footprint"):
        patch(hf, wrong)
    assert cell.state(hf) == before
    with pytest.raises(LongSightError, match="declare a cache_footprint"):
        prefill(grouped, tiny.ids(40), wrong)


@pytest.mark.parametrize("key", METHODS)
def test_every_method_keeps_its_contract(key):
    for method in tiny.spread(key, 20):
        check_contract(method)
        assert Cache(method, [method]).layers[0].capacity >= 1
