"""LongRoPE: short texts and long ones are heard by frequencies of their own, and no text ever by both."""

import re

import pytest
import torch

from longsight.errors import LongSightError
from longsight.generation.decode import Sampling, decode
from longsight.generation.patching import patched
from longsight.generation.prefill import Prefilled, prefill
from longsight.generation.prefix_sharing import prefill_shared
from longsight.methods import METHODS
from longsight.models.families import FAMILIES, layers_of
from longsight.models.model import Model, adopt
from tests.longsight import tiny
from tests.longsight.matrix import cell, variants
from tests.longsight.matrix.variants import TEXT, TRAINED

NAME, VANILLA = "phi3, longrope", METHODS["vanilla"]()
AT = TRAINED
"""The longest of the short texts."""


@pytest.fixture(scope="module")
def model():
    return variants.adopted(NAME)


def stock(ids):
    return variants.stock(NAME)(ids[None]).logits[0]


def close(found, expected):
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)


def test_the_lists_change_where_transformers_changes_them(model):
    text = tiny.ids(AT + 1)
    close(model.logits(text[:AT], VANILLA), stock(text[:AT]))
    close(model.logits(text, VANILLA), stock(text))
    assert (stock(text)[:AT] - stock(text[:AT])).abs().max() > 0.01, "the lists are alike"
    close(model.logits(text[:AT], VANILLA, chunk=5), stock(text[:AT]))
    close(model.logits(text, VANILLA, chunk=5), stock(text))


@pytest.mark.parametrize("key", ["vanilla", "lm-infinite", "dynamic-ntk"])
def test_an_answer_that_makes_a_short_text_long_is_that_of_the_text_read_anew(key, model):
    method, ids = variants.method(key), tiny.ids(AT - 3, seed=4).tolist()
    read = prefill(model, ids, method)
    answer = list(decode(model, read, Sampling(max_new_tokens=8)))
    for token in answer:
        assert token == int(model.logits(ids, method)[-1].argmax())
        ids.append(token)
    assert read.cache.ids.tolist() == ids[:-1]
    assert read.cache.text == read.cache.length == len(ids) - 1


@pytest.mark.parametrize("beams", [1, 3])
def test_generate_across_the_switch_is_the_stock_models(beams):
    """transformers' own `generate` reads the text anew there."""
    hf, prompt = variants.stock(NAME), tiny.ids(AT - 3, seed=1)
    options = {"max_new_tokens": 9, "do_sample": False, "use_cache": True, "num_beams": beams}
    expected = hf.generate(prompt[None], **options)
    with patched(hf, VANILLA):
        assert hf.generate(prompt[None], **options).tolist() == expected.tolist()


def test_a_turn_that_makes_a_short_conversation_long_reads_it_anew(model):
    text, method = tiny.ids(TEXT), variants.method("self-extend")
    first = prefill(model, text[:10], method)
    same = prefill(model, text[10:AT], method, first.cache)
    assert same.cache is first.cache
    close(same.logits, model.logits(text[:AT], method)[-1])
    second = prefill(model, text[AT:], method, same.cache, chunk=7)
    assert second.cache.ids.tolist() == text.tolist()
    torch.testing.assert_close(second.logits, cell.defined(model, text, method)[-1], atol=1e-4, rtol=0)


def test_a_long_text_stays_one_however_much_of_it_was_read(model):
    text = tiny.ids(TEXT)
    cache = model.seam.new_cache(VANILLA)
    cache.reserve(TEXT)
    model.forward(text[:8], cache)
    cache.reserve(12)
    fork = cache.fork()
    for each in (cache, fork):
        close(model.forward(text[8:], each), stock(text)[8:])


def test_prompts_share_what_they_hear_alike_and_nothing_else(model, monkeypatch):
    monkeypatch.setattr("longsight.generation.prefix_sharing.WORTHWHILE", 4)
    text, read = tiny.ids(TEXT), []
    forward = Model.forward
    monkeypatch.setattr(Model, "forward", lambda *args, **kw: read.append(len(args[1])) or forward(*args, **kw))
    prompts = [torch.cat((text[:n], tiny.ids(2, seed=n))) for n in (9, 12, AT, 30, 40)]
    found = {
        done.result.number: done.result.prefilled for done in prefill_shared(model, prompts, VANILLA) if done.result
    }
    assert sum(read) == (9 + 2) + (12 + 2 - 9) + (AT + 2) + (30 + 2 - AT) + (40 + 2 - 30)
    for n, prompt in enumerate(prompts):
        close(found[n].logits, stock(prompt)[-1])
        assert found[n].cache.ids.tolist() == prompt.tolist()


SENTENCE = (
    "Phi3ForCausalLM turns every token of a text by other frequencies once it is longer than 16 tokens, and this cache "
    "holds the beginning of one as if it were shorter; read it anew, or announce its length with cache.reserve before "
    "its first token."
)


def test_a_short_text_is_not_gone_on_with_as_a_long_one(model):
    text, hf = tiny.ids(TEXT), variants.stock(NAME)
    cache = model.seam.new_cache(VANILLA)
    logits = model.forward(text[:10], cache)
    with pytest.raises(LongSightError, match=re.escape(SENTENCE)):
        model.forward(text[10:], cache)
    close(model.forward(text[10:AT], cache), stock(text[:AT])[10:])  # the refusal has read nothing
    with pytest.raises(LongSightError, match=re.escape(SENTENCE)):
        list(decode(model, Prefilled(cache, logits[-1])))  # whose ids nobody has kept
    with patched(hf, VANILLA):
        cache = hf(text[None, :10], use_cache=True).past_key_values
        with pytest.raises(LongSightError, match=re.escape(SENTENCE)):
            hf(text[None, 10:], past_key_values=cache)


def test_rows_of_a_padded_batch_are_short_and_long_texts_by_themselves():
    long, short, hf = tiny.ids(TEXT), tiny.ids(AT, seed=2), variants.stock(NAME)
    ids, mask = cell.padded([long, short], left=True)
    expected = [stock(long), stock(short)]
    with patched(hf, VANILLA):
        read = hf(input_ids=ids[:, :-5], attention_mask=mask[:, :-5], use_cache=True)
        more = hf(input_ids=ids[:, -5:], attention_mask=mask, past_key_values=read.past_key_values)
        grown = torch.cat((mask, torch.ones(2, 1)), dim=1)
        with pytest.raises(LongSightError, match=re.escape(SENTENCE)):
            hf(input_ids=ids[:, :1], attention_mask=grown, past_key_values=more.past_key_values)
    for row, law in enumerate(expected):
        close(torch.cat((read.logits, more.logits), dim=1)[row, -len(law) :], law)


def test_frequencies_are_those_of_the_config_whatever_the_model_read_last():
    """transformers writes the list that it used last into the buffer of both; a cast rounds that buffer."""
    hf = variants.build(NAME)
    hf(tiny.ids(TEXT)[None])
    late, early = (
        layers_of(each, FAMILIES["phi3"])[0].encoding for each in (hf.to(torch.bfloat16), variants.build(NAME))
    )
    assert torch.equal(late.inv_freq, early.inv_freq)
    assert torch.equal(late.long_inv_freq, early.long_inv_freq)
    assert (late.switch, late.kind) == (AT, "rope")


def test_phimoe_is_refused_because_transformers_never_uses_its_long_list():
    rope = {**variants.LONGROPE["rope_parameters"], "short_mscale": 1.0, "long_mscale": 1.0}
    hf = tiny.hf("phimoe", **{**variants.SMALL, **variants.EXPERTS, **variants.LONGROPE, "rope_parameters": rope})
    with pytest.raises(
        LongSightError, match="This phimoe model uses RoPE of type 'longrope'.*LongSight handles default"
    ):
        adopt(hf)
