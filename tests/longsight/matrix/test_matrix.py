"""Every family under methods of each kind, every method on attention of each kind; `LONGSIGHT_MATRIX=whole` for the
product. A family or a method that is added meets the matrix by itself, or fails here."""

from dataclasses import replace
from functools import cache

import pytest
import torch

from longsight.errors import LongSightError
from longsight.generation.patching import patch
from longsight.generation.prefill import prefill
from longsight.methods import METHODS
from longsight.models.families import FAMILIES
from tests.longsight import tiny
from tests.longsight.matrix import cell, variants
from tests.longsight.matrix.variants import TEXT, TRAINED, VARIANTS

TABLES_END = {"gptj", "mpt"}
"""Families whose stock model cannot read past its trained length at all: a table of positions ends there."""


def test_every_family_has_a_variant():
    assert {family for family, _ in VARIANTS.values()} == set(FAMILIES)


@pytest.mark.parametrize("name", VARIANTS)
def test_vanilla_is_the_stock_model(name):
    text = tiny.ids(TRAINED if VARIANTS[name][0] in TABLES_END else TEXT)
    stock = variants.stock(name)(text[None]).logits[0]
    for chunk in (len(text), 7):
        logits = variants.adopted(name).logits(text, METHODS["vanilla"](), chunk)
        torch.testing.assert_close(logits, stock, atol=1e-5, rtol=0)


@pytest.mark.parametrize(("name", "key"), variants.cells())
def test_every_way_of_reading_is_the_definition(name, key):
    method = variants.method(key)
    if not variants.applies(name, method):
        check_refused(name, method)
        return
    law = cell.check(name, method)
    if key not in ("vanilla", "truncation"):  # otherwise a model that hears no positions would pass
        assert (law[-1] - vanilla(name)).abs().max() > 1e-3, "past the trained length the method is vanilla"


@cache
def vanilla(name):
    """The last logits (vocab,) of the text by vanilla's definition."""
    return cell.defined(variants.adopted(name), tiny.distinct(TEXT), METHODS["vanilla"]())[-1]


def check_refused(name, method):
    """A method without effect, or one that the cache cannot serve, is refused by sentence, in every door."""
    kind = variants.adopted(name).position_encoding
    sentence = rf"{method.title}( can have no effect: (every layer of|it tells other distances)|: heads of layer)"
    if method.needs not in (None, kind):
        heard = {"alibi": "ALiBi", "none": "no positions"}[kind]
        sentence = f"{method.title} changes the frequencies of RoPE, but .* uses {heard}, not RoPE; choose one that"
    with pytest.raises(LongSightError, match=sentence):
        variants.adopted(name).logits(tiny.ids(3), method)
    hf = variants.stock(name)
    before = cell.state(hf)
    with pytest.raises(LongSightError, match=sentence):
        patch(hf, method)
    assert cell.state(hf) == before


@pytest.mark.parametrize("name", VARIANTS)
def test_retrieval_is_the_definition(name):
    method = METHODS["lm-infinite"](window=TRAINED, starting=3, top_k=3, from_layer=1)
    if not variants.applies(name, method):
        check_refused(name, method)
        return
    cell.check(name, method)
    if name in SCALED:
        cell.check(name, replace(method, log_n=8))


@pytest.mark.parametrize("key", ["infllm", "reattention"])
def test_queries_fetch_together_though_only_the_last_logits_are_wanted(key):
    """In layers that share keys too, to which Gemma 4 else hands the last queries alone."""
    model, method, text = variants.adopted("gemma4_text, layers that share keys"), variants.method(key), tiny.ids(TEXT)
    cell.close(prefill(model, text, method).logits, model.logits(text, method)[-1], "prefill")


SCALED = ("llama", "mpt, six heads")
"""A family for each kind of position encoding: what log_n does is the method's and not the model's."""


@pytest.mark.parametrize("key", METHODS)
@pytest.mark.parametrize("name", SCALED)
def test_log_n_scaling_works_with_every_method(name, key):
    method = replace(variants.method(key), log_n=8)
    if variants.applies(name, method):
        scaled = cell.check(name, method)
        plain = variants.adopted(name).logits(tiny.distinct(TEXT), replace(method, log_n=0))
        read = TEXT - method.keeps(TEXT)
        torch.testing.assert_close(scaled[read : read + 8], plain[read : read + 8], atol=1e-5, rtol=0)
        assert (scaled - plain)[read + 8 :].abs().amax() > 1e-3
