"""Layers with linear attention keep a state in the place of keys: exact however a text is read, forked and padded."""

import re

import pytest
import torch

from longsight.attention.layer import Recurrence
from longsight.attention.observer import Observer
from longsight.errors import LongSightError
from longsight.generation.patching import patched
from longsight.generation.prefill import prefill, watch
from longsight.generation.prefix_sharing import prefill_shared
from longsight.methods import METHODS
from tests.longsight import tiny
from tests.longsight.matrix import cell, variants
from tests.longsight.matrix.variants import TEXT, TRAINED

NAME, VANILLA = "qwen3_5_text", METHODS["vanilla"]()
LETTING_GO = METHODS["lm-infinite"](window=TRAINED, starting=3)


@pytest.fixture(scope="module")
def model():
    return variants.adopted(NAME)


@pytest.fixture(scope="module")
def hf():
    return variants.stock(NAME)


def test_a_method_acts_on_the_layers_that_attend(model):
    assert model.acting == "1 of 3 layers sees everything; 2 keep their state in the place of keys."
    assert model.position_encoding == "rope"
    assert model.seam.rules(LETTING_GO) == (Recurrence(), LETTING_GO, Recurrence())
    assert model.seam.attending == (1,)


@pytest.mark.parametrize("method", [VANILLA, LETTING_GO])
def test_what_a_cache_takes_is_known_before(method, model):
    """A state takes the same room whatever the text."""
    for n in (1, 9, TEXT):
        cache = prefill(model, tiny.ids(n), method, chunk=7).cache
        assert model.cache_bytes(method, n) == cache.nbytes > 0
        assert [layer.nbytes for layer in cache.layers[::2]] == list(model.bytes_per_slot[::2])
    assert model.cache_bytes(method, 0) == 0


def test_a_fork_goes_on_by_itself(model):
    text, others = tiny.ids(TEXT), tiny.ids(12, seed=3)
    cache = prefill(model, text[:20], LETTING_GO, chunk=7).cache
    fork = cache.fork()
    away = prefill(model, others, LETTING_GO, fork)
    for token in text[20:]:
        logits = model.forward(token[None], cache)
    cell.close(logits[-1], cell.defined(model, text, LETTING_GO)[-1], "the cache that was forked")
    cell.close(away.logits, cell.defined(model, torch.cat((text[:20], others)), LETTING_GO)[-1], "its fork")


def test_prompts_that_begin_alike_share_a_state(model, monkeypatch):
    monkeypatch.setattr("longsight.generation.prefix_sharing.WORTHWHILE", 4)
    text = tiny.ids(TEXT)
    prompts = [torch.cat((text[:n], tiny.ids(3, seed=n))) for n in (9, 20, 30)]
    window = METHODS["window"](window=3)  # which would forget how prompts began, if no layer kept a state of it
    prompts.append(torch.cat((tiny.ids(1, seed=8), prompts[2][1:])))
    for done in prefill_shared(model, prompts, window):
        if done.result is not None:
            law = cell.defined(model, prompts[done.result.number], window)[-1]
            cell.close(done.result.prefilled.logits, law, f"prompt {done.result.number}")


def test_generate_with_pads_on_the_left_answers_as_each_row_would_alone(hf):
    prompts = [tiny.ids(21, seed=1), tiny.ids(5, seed=2)]
    ids, mask = cell.padded(prompts, left=True)
    options = {"max_new_tokens": 8, "do_sample": False, "use_cache": True}
    with patched(hf, LETTING_GO):
        together = hf.generate(input_ids=ids, attention_mask=mask, **options)[:, ids.shape[1] :]
        for row, prompt in zip(together, prompts, strict=True):
            assert row.tolist() == hf.generate(prompt[None], **options)[0, len(prompt) :].tolist()


def test_beams_take_their_states_along(hf):
    prompts = [tiny.ids(20, seed=8), tiny.ids(13, seed=9)]
    ids, mask = cell.padded(prompts, left=True)
    beams = {"num_beams": 3, "num_return_sequences": 2, "max_new_tokens": 6, "do_sample": False}
    with patched(hf, VANILLA):
        found = hf.generate(input_ids=ids, attention_mask=mask, use_cache=True, **beams)
        assert found.tolist() == hf.generate(input_ids=ids, attention_mask=mask, use_cache=False, **beams).tolist()


SENTENCE = (
    "Qwen3_5ForCausalLM keeps a state of the text, which pads between its tokens, or read by themselves, would change; "
    "pad at the beginning, and read the pads together with what follows them."
)


def test_pads_that_would_go_into_a_state_are_refused(hf):
    text = tiny.ids(TEXT)
    ids, mask = cell.padded([text[:20], text[:9]], left=False)
    with patched(hf, VANILLA):
        read = hf(input_ids=ids, attention_mask=mask, use_cache=True)
        cell.close(read.logits[1, :9], cell.defined(variants.adopted(NAME), text[:9], VANILLA), "pads on the right")
        more = torch.cat((mask, torch.ones_like(mask[:, :1])), dim=1)
        with pytest.raises(LongSightError, match=re.escape(SENTENCE)):
            hf(input_ids=ids[:, :1], attention_mask=more, past_key_values=read.past_key_values)
        with pytest.raises(LongSightError, match=re.escape(SENTENCE)):
            hf(input_ids=ids[:, :1], attention_mask=torch.tensor([[1], [0]]))


class Seen(Observer):
    def __init__(self):
        self.layers = []

    def attention(self, step):
        self.layers.append(step.layer)


def test_only_attention_is_shown(model):
    observer = Seen()
    list(watch(model, tiny.ids(9), VANILLA, observer, chunk=5))
    assert observer.layers == [1, 1]
