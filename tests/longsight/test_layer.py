"""Layers with a window of their own keep it, remember no more than it, and are named where methods are spoken of."""

import math
from dataclasses import replace

import pytest
import torch

from longsight.attention.encoding import Encoding
from longsight.attention.kernels import kernel, with_sinks
from longsight.attention.layer import Layer, OwnChunk, describe, last_users
from longsight.attention.observer import Observer
from longsight.attention.rope import Rotary
from longsight.errors import LongSightError
from longsight.generation.prefill import prefill, watch
from longsight.methods import METHODS, Window
from longsight.models.model import adopt
from tests.longsight import tiny
from tests.longsight.matrix import cell, variants
from tests.longsight.matrix.variants import TEXT, TRAINED

HEARD, DEAF = Rotary(torch.ones(2)), Encoding()
SAID = {
    "": [Layer(HEARD)] * 3,
    "6 of 26 layers see everything; 20 keep their window of 512.": [Layer(HEARD, 512)] * 20 + [Layer(HEARD)] * 6,
    "1 of 2 layers sees everything; 1 keeps its window of 4,096.": [Layer(HEARD, 4096), Layer(HEARD)],
    "No layer of 32 sees everything; 32 keep their window of 7; no method can have an effect.": [Layer(HEARD, 7)] * 32,
    "1 of 3 layers sees everything; 1 keeps its window of 7; 1 keeps its chunks of 9.": [
        Layer(HEARD), Layer(HEARD, 7), Layer(HEARD, chunk=9),
    ],
    "under a method 2 see past their window of 262,144, longer than any text of training.": [
        Layer(HEARD, 262_144, loose=True)
    ] * 2,
    "1 of 3 layers hears no distances, only what can be seen is changed.": [Layer(HEARD), Layer(DEAF), Layer(HEARD)],
}  # fmt: skip


@pytest.mark.parametrize("sentence", SAID)
def test_a_sentence_says_which_layers_a_method_acts_on(sentence):
    assert describe(SAID[sentence]) == sentence


@pytest.mark.parametrize("name", ["olmo3", "mimo_v2_flash"])
@pytest.mark.parametrize("key", ["vanilla", "lm-infinite"])
def test_a_window_is_kept_whatever_the_method_and_nothing_else_is_remembered(name, key):
    """MiMo's layers with a window have twice the key heads of the others: a forecast must know each layer."""
    model, method = variants.adopted(name), variants.method(key)
    assert model.seam.rules(method) == (Window(7), method)
    cache = prefill(model, tiny.ids(TEXT), method, chunk=9).cache
    seen = {"vanilla": TEXT, "lm-infinite": TRAINED + method.starting if key == "lm-infinite" else 0}[key]
    assert [layer.keys.shape[2] for layer in cache.layers] == [7, seen]
    assert model.cache_bytes(method, TEXT) == cache.nbytes
    fork = cache.fork()
    assert fork.rules == cache.rules
    more = tiny.ids(12, seed=3)
    assert torch.equal(prefill(model, more, method, fork).logits, prefill(model, more, method, cache).logits)


def test_a_window_longer_than_training_is_vanillas_alone():
    """As in Phi-3-mini-128k: 262,144, where it was trained on 131,072."""
    model, method = variants.adopted("phi3, a window longer than its training"), variants.method("self-extend")
    assert model.seam.rules(METHODS["vanilla"]()) == (Window(TRAINED + 4),) * 2
    assert model.seam.rules(method) == (method,) * 2
    assert model.cache_bytes(METHODS["vanilla"](), TEXT) == (TRAINED + 4) * sum(model.bytes_per_slot)
    assert model.cache_bytes(method, TEXT) == TEXT * sum(model.bytes_per_slot)


def test_chunks_are_kept_whatever_the_method_and_nothing_else_is_remembered():
    model, method = variants.adopted("llama4_text"), variants.method("lm-infinite")
    assert model.seam.rules(method) == (OwnChunk(7), method)
    cache = prefill(model, tiny.ids(TEXT), method, chunk=9).cache
    assert [layer.keys.shape[2] for layer in cache.layers] == [7, TRAINED + method.starting]
    assert model.cache_bytes(method, TEXT) == cache.nbytes
    assert model.acting == (
        "1 of 2 layers sees everything; 1 keeps its chunks of 7; "
        "1 of 2 layers hears no distances, only what can be seen is changed."
    )


@pytest.mark.parametrize("from_layer", [1, 3])
def test_layers_that_use_the_keys_of_another_hold_none_and_it_remembers_what_they_need(from_layer):
    name, method = (
        "gemma4_text, layers that share keys",
        METHODS["lm-infinite"](window=TRAINED, starting=3, top_k=3, from_layer=from_layer),
    )
    model = variants.adopted(name)
    assert [layer.keys_of for layer in model.seam.layout] == [None, None, 0, 1, 1]
    assert last_users(model.seam.layout) == [2, 4, 2, 3, 4]
    cache = prefill(model, tiny.ids(TEXT), method, chunk=9).cache
    assert [layer.keys.shape[2] if layer.nbytes else 0 for layer in cache.layers] == [7, TEXT, 0, 0, 0]
    assert model.cache_bytes(method, TEXT) == cache.nbytes
    assert model.cache_bytes(replace(method, top_k=0), TEXT) < cache.nbytes
    cell.check(name, method)


def test_keys_that_are_made_from_a_compressed_vector_are_stored_as_that_vector():
    """MLA (DeepSeek-V2, arXiv 2405.04434, section 2.1): 12 channels for all heads' keys and values, and 4 that turn."""
    model, method = variants.adopted("deepseek_v3"), variants.method("self-extend")
    assert model.bytes_per_slot == ((12 + 4) * 4,) * 2
    cache = prefill(model, tiny.ids(TEXT), method, chunk=9).cache
    assert [layer.keys.shape[1:] for layer in cache.layers] == [(1, TEXT, 12)] * 2
    assert model.cache_bytes(method, TEXT) == cache.nbytes


@pytest.mark.parametrize("name", ["deepseek_v3", "qwen3_next", "gemma4_text, layers that share keys", "llama4_text"])
def test_what_a_cache_takes_while_it_writes_is_known_before(name):
    model, method = variants.adopted(name), variants.method("lm-infinite")
    cache = prefill(model, tiny.ids(TEXT), method, chunk=9).cache
    for token in tiny.ids(3):
        model.forward(token[None], cache)
    assert cache.nbytes == model.cache_bytes(method, TEXT + 3, writing=True)


@pytest.mark.parametrize("key", [key for key in METHODS if METHODS[key].needs == "rope"])
def test_channels_that_do_not_turn_never_do_and_the_others_turn_as_if_they_were_all(key):
    """As in Gemma 4, whose rotation pairs halves of the whole head and leaves slow channels out by the frequency 0."""
    method, turning = METHODS[key].for_model(TRAINED, TEXT), torch.tensor([1.0, 0.1, 0.01], dtype=torch.float64)
    found = Rotary(torch.cat((turning, torch.zeros(2)))).under(method, TEXT).inv_freq
    assert torch.equal(found, torch.cat((method.inv_freq(turning, TEXT), torch.zeros(2))))


class Queries(Observer):
    """The queries (head, query, channel) of each layer."""

    def __init__(self):
        self.found = []

    def attention(self, step):
        self.found.append(step.q)


def queries(name, **config):
    family, said = variants.VARIANTS[name]
    observer, model = Queries(), adopt(tiny.hf(family, **{**variants.SMALL, **said, **config}))
    list(watch(model, tiny.ids(TEXT), METHODS["vanilla"](), observer, chunk=TEXT))
    return observer.found


def test_queries_are_scaled_by_where_they_truly_stand_and_shown_so():
    """In ministral3 by every original length before them; in the first layer, since into later ones it has gone on."""
    rope = variants.VARIANTS["ministral3"][1]["rope_parameters"]
    scaled, flat = queries("ministral3"), queries("ministral3", rope_parameters={**rope, "llama_4_scaling_beta": 0.0})
    expected = torch.tensor([1 + 0.5 * math.log(1 + i // TRAINED) for i in range(TEXT)])
    torch.testing.assert_close(scaled[0], flat[0] * expected[:, None])


def test_what_a_model_scales_by_itself_is_scaled_once_and_given_back():
    hf = variants.build("llama4_text")
    modules = [layer.self_attn for layer in hf.model.layers]
    model = adopt(hf)
    assert [module.attn_temperature_tuning for module in modules] == [False, False]
    assert [layer.query_scale is None for layer in model.seam.layout] == [True, False]
    model.seam.close()
    assert [module.attn_temperature_tuning for module in modules] == [True, True]


def test_a_method_that_fetches_needs_a_layer_that_sees_everything():
    config = {**variants.VARIANTS["ministral"][1], "layer_types": ["full_attention", "sliding_attention"]}
    model = adopt(tiny.hf("ministral", **{**variants.SMALL, **config}))
    method = METHODS["lm-infinite"](window=TRAINED, starting=3, top_k=3, from_layer=1)
    with pytest.raises(LongSightError, match="from_layer = 1, but .* has only layers 0 to 0 that see everything, so"):
        model.seam.new_cache(method)


def test_sinks_are_one_more_logit_of_no_key():
    q, k, v, sinks = torch.randn(2, 4, 3, 8), torch.randn(2, 4, 5, 8), torch.randn(2, 4, 5, 6), torch.randn(4)
    logits = torch.cat((q @ k.mT * 0.3, sinks[None, :, None, None].expand(2, 4, 3, 1)), dim=-1)
    out, lse = with_sinks(*kernel(q, k, v, None, 0.3), sinks)
    torch.testing.assert_close(out, logits.softmax(-1)[..., :-1] @ v)
    torch.testing.assert_close(lse, logits.logsumexp(-1))
