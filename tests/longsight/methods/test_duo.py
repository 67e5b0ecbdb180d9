"""DuoAttention: which heads see what, in which words that is said, and what the cache remembers of each."""

import pytest
import torch

from longsight.attention.plain import plain
from longsight.errors import LongSightError
from longsight.generation.patching import patch
from longsight.generation.prefill import prefill
from longsight.methods import METHODS
from longsight.methods.by_head import ByHead, shares
from tests.longsight import tiny
from tests.longsight.matrix import cell, variants
from tests.longsight.test_attention import ENCODINGS, SCALING, random_heads

DUO = METHODS["duo"]
FULL, STREAMING = METHODS["vanilla"](), METHODS["lambda"](window=6, starting=2)


def rules(heads, *counts, **more):
    """The rules of each layer by head, as one word for each layer: F sees everything, s streams."""
    layers = DUO(window=6, starting=2, heads=heads, **more).in_layers(counts)
    return " ".join("".join({FULL: "F", STREAMING: "s"}[rule] for rule in layer.rules) for layer in layers)


@pytest.mark.parametrize(
    ("heads", "counts", "expected"),
    [
        ("10 0110", (2, 4), "Fs sFFs"),
        ("  10   01 ", (2, 2), "Fs sF"),
        ("10", (2, 2, 2), "Fs Fs Fs"),
        ("1 0 01", (3, 2, 2), "FFF ss sF"),
        ("0", (1, 2), "s ss"),
        ("", (2, 3, 1, 1), "Fs sFs F s"),
        ("101 1", (0, 2), "FsF FF"),
    ],
)
def test_words_name_the_heads_of_each_layer(heads, counts, expected):
    assert rules(heads, *counts) == expected


@pytest.mark.parametrize(
    ("heads", "sentence"),
    [
        ("10 01", "DuoAttention: heads has words for 2 layers, but the model has 3; give one for each layer, or one"),
        ("10 011 1", "the word 011 names 3 heads, but layer 1 of the model has 2 key/value heads; give a digit for"),
        ("11111", "the word 11111 names 5 heads, but layer 0 of the model has 2 key/value heads"),
    ],
)
def test_heads_of_another_model_are_refused_with_what_this_one_has(grouped, heads, sentence):
    method = DUO(window=6, starting=2, heads=heads)
    with pytest.raises(LongSightError, match=sentence):
        grouped.logits(tiny.ids(3), method)
    with pytest.raises(LongSightError, match=sentence):
        patch(tiny.hf(), method)


@pytest.mark.parametrize("heads", ["1 2", "0.3 0.9", "true"])
def test_anything_but_ones_and_zeros_is_refused(heads):
    with pytest.raises(LongSightError, match="heads must be words of the digits 1 and 0, parted by spaces, but .* was"):
        DUO(window=6, starting=2, heads=heads)


@pytest.mark.parametrize("name", ["deepseek_v3", "jetmoe"])
def test_a_cache_that_does_not_hold_keys_head_beside_head_is_refused(name):
    """One compressed vector for all heads; keys that are repeated on their way to attention."""
    with pytest.raises(LongSightError, match=r"DuoAttention: heads of layer 0 of \w+ cannot follow rules of their own"):
        variants.adopted(name).logits(tiny.ids(3), variants.method("duo"))


WORDS = {
    "llama": ("10 01", "11 00", "01 1"),
    "llama, every head its own keys": ("1000 0110",),
    "mpt, six heads": ("101100 000001",),
    "falcon, alibi": ("1000 0110",),
    "gpt_oss": ("00 10",),
    "gemma2": ("11 01",),
    "gemma4_text, layers that share keys": ("1 01 1 10 0",),
    "phi3, a window longer than its training": ("01 1",),
}


@pytest.mark.parametrize(("name", "heads"), [(name, heads) for name, words in WORDS.items() for heads in words])
def test_every_way_of_reading_is_the_definition(name, heads):
    """One pass, single tokens and chunks, padded batches: with shared keys, learned sinks, capped logits and ALiBi."""
    cell.check(name, DUO(window=6, starting=2, heads=heads))


def test_the_definition_is_that_of_each_head_alone():
    q, k, v = random_heads(40, 2)
    i = torch.arange(40)
    for name, encoding in ENCODINGS.items():
        (method,) = DUO(window=6, starting=2, heads="01").in_layers([2])
        found = plain(q, k, v, i, i, method, encoding, scaling=SCALING)
        for rule, half in ((STREAMING, slice(0, 2)), (FULL, slice(2, 4))):
            law = plain(q, k, v, i, i, rule, encoding, scaling=SCALING)
            torch.testing.assert_close(found[:, half], law[:, half], atol=1e-6, rtol=0, msg=name)


def test_the_mask_of_streaming_heads_is_the_authors():
    """Their `generate_streaming_mask`: the recent triangle and the first columns, below the diagonal."""
    n, sink, recent = 24, 3, 5
    ones = torch.ones(n, n, dtype=torch.bool)
    first = ones.clone()
    first[:, sink:] = False
    expected = (torch.triu(ones, diagonal=-recent + 1) | first) & torch.tril(ones)
    (method,) = DUO(window=recent, starting=sink, heads="0").in_layers([1])
    i = torch.arange(n)
    assert torch.equal(method.rules[0].visible(i[:, None], i[None]), expected)


def test_streaming_heads_remember_no_more_than_they_see(grouped):
    method = DUO(window=6, starting=2, heads="10 0 1")
    cache = prefill(grouped, tiny.ids(200), method, chunk=33).cache
    per_head = 2 * 8 * 4  # keys and values, channels, float32
    assert cache.nbytes == per_head * (200 + 8 + 2 * 8 + 2 * 200) == grouped.cache_bytes(method, 200)
    assert sum(layer.keys.shape[1] for layer in cache.kept_layers) == 6
    assert all(part.given is None for layer in cache.layers for part in layer.parts), "what was seen is let go of"


def test_a_forked_cache_goes_on_by_itself(grouped):
    method, text = DUO(window=6, starting=2, heads="10 01 1"), tiny.ids(70)
    first = prefill(grouped, text[:50], method).cache
    fork = first.fork()
    prefill(grouped, tiny.ids(9, 5), method, fork)
    assert (first.length, fork.length, fork.nbytes > first.nbytes) == (50, 59, True)
    logits = prefill(grouped, text[50:], method, first).logits
    torch.testing.assert_close(logits, grouped.logits(text, method)[-1], atol=1e-4, rtol=0)
    first.restart()
    assert (first.length, first.nbytes) == (0, 0)
    logits = prefill(grouped, text[:30], method, first).logits
    torch.testing.assert_close(logits, grouped.logits(text[:30], method)[-1], atol=1e-4, rtol=0)


def test_beams_take_what_both_kinds_of_heads_remember_along():
    hf, rows = patch(tiny.hf(), DUO(window=6, starting=2, heads="10")), torch.stack((tiny.ids(20), tiny.ids(20, 1)))
    found = hf.generate(rows, num_beams=3, max_new_tokens=8, do_sample=False, eos_token_id=-1)
    alone = [hf.generate(row[None], num_beams=3, max_new_tokens=8, do_sample=False, eos_token_id=-1) for row in rows]
    assert torch.equal(found, torch.cat(alone))


def test_all_heads_full_is_vanilla_and_none_is_lambda(grouped):
    text = tiny.ids(60)
    for heads, other in (("1", METHODS["vanilla"]()), ("0", STREAMING)):
        found = grouped.logits(text, DUO(window=6, starting=2, heads=heads), 13)
        torch.testing.assert_close(found, grouped.logits(text, other, 13), atol=1e-5, rtol=0)
    assert DUO(window=6, starting=0, heads="0").reach(16) is None
    assert DUO(window=6, starting=0, heads="0 1").reach(16) == 16


def test_shares_are_those_of_the_heads():
    layer = ByHead(law=FULL, rules=(FULL, STREAMING, FULL))
    assert [(rule, float(share)) for rule, share in shares(layer)] == [(FULL, 2 / 3), (STREAMING, 1 / 3)]
    assert shares(FULL) == [(FULL, 1)]
