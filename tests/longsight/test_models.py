"""Whole models: the stock logits where a method promises them, continued caches, and the likelihood of a text.

That every method gives the logits of its definition, in one pass and in chunks, is held for every family in the matrix.
"""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from longsight.errors import LongSightError
from longsight.generation.prefill import prefill
from longsight.methods import METHODS
from longsight.methods.by_head import shares
from longsight.models.model import adopt
from tests.longsight import tiny
from tests.longsight.tiny import TRAINED, VOCABULARY, defaults, ids, promised, usable


def close(a, b, method=None, allowed=1e-4):
    torch.testing.assert_close(
        a, b, atol=allowed, rtol=0, equal_nan=True, msg=lambda text: f"{method and method.describe()}: {text}"
    )


@pytest.fixture(scope="module")
def stock():
    """The unpatched model with the same weights as `grouped`."""
    return tiny.hf()


def same_as_vanilla(method, limit):
    """The longest text (at most `limit`) on which the law is vanilla's."""
    i, j = torch.arange(limit)[:, None], torch.arange(limit)[None, :]
    frequencies = 1 / 10_000 ** (torch.arange(0, 8, 2, dtype=torch.float64) / 8)
    seen = (method.visible(i, j) == (j <= i)).expand(limit, limit).all(1)
    told = ((method.distance(i, j) == i - j) | (j > i)).expand(method.frequency_groups, limit, limit).all(0).all(1)
    scale = method.logit_scale(i[:, 0])
    plain_scale = torch.ones(limit, dtype=torch.bool) if scale is None else scale == 1
    stock = [torch.equal(method.inv_freq(frequencies, method.length_at(query)), frequencies) for query in i[:, 0]]
    good = seen & told & plain_scale & torch.tensor(stock)
    return int(good.long().cumprod(0).sum())


@pytest.mark.parametrize("key", METHODS)
def test_where_the_law_is_vanillas_the_logits_are_the_stock_models(grouped, stock, key):
    for method in usable(grouped, key, 5):
        rules = {each for rule in grouped.seam.rules(method) for each, _ in shares(rule)}
        n = min(method.keeps(60), *(same_as_vanilla(rule, 60) for rule in rules))
        if n:
            close(grouped.logits(ids(n), method), stock(input_ids=ids(n)[None]).logits[0], method, 1e-5)


@pytest.mark.parametrize("key", METHODS)
def test_defaults_inside_the_trained_length_are_the_stock_model(grouped, stock, key):
    """Asked for the trained length, a method has nothing to extend; SelfExtend and its like promise their window."""
    method = defaults(key, TRAINED)
    n = promised(method, TRAINED)
    close(grouped.logits(ids(n), method), stock(input_ids=ids(n)[None]).logits[0], method, 1e-5)


@pytest.mark.parametrize("key", [key for key in METHODS if key != "truncation"])
def test_a_continued_cache_is_one_pass(grouped, key):
    """Truncation starts afresh, see test_prefill_and_decode; where the end of a turn fetches, see below. Queries that
    fetch together must be read together."""
    method = defaults(key)
    rule = method.retrieval
    size = 1 if rule is None else max(rule.queries, 1)
    for first, more in ((1, 1), (40, 1), (50, 30)):
        first = -(-first // size) * size
        text = ids(first + more)
        cache = prefill(grouped, text[:first], method, chunk=33).cache
        read = prefill(grouped, text[first:], method, cache, chunk=33)
        assert read.cache is cache
        assert cache.length == len(text)
        assert list(cache.ids) == text.tolist()
        close(read.logits, grouped.logits(text, method)[-1], method)


@pytest.mark.parametrize("key", METHODS)
def test_the_last_logits_alone_are_those_of_all(grouped, key):
    """The last layer then attends for few tokens; what a cache holds of a text does not show it."""
    text = ids(90)
    for method in (defaults(key, 90), *usable(grouped, key, 4)[3:]):
        full = grouped.seam.new_cache(method)
        whole = grouped.forward(text, full, retrieves=True)
        for rows in (1, 3, 90):
            cache = grouped.seam.new_cache(method)
            last = grouped.forward(text, cache, retrieves=True, logits_to_keep=rows)
            assert last.shape == (rows, whole.shape[1])
            torch.testing.assert_close(last, whole[-rows:], atol=2e-4, rtol=0)
            for a, b in zip(full.kept_layers, cache.kept_layers, strict=True):
                assert torch.equal(a.keys, b.keys)
                assert torch.equal(a.values, b.values)


def test_a_continued_conversation_with_retrieval_fetches_at_the_end_of_every_turn(grouped):
    """What top-k means for a conversation: its earlier last tokens were read with what they fetched."""
    method, text = METHODS["lm-infinite"](window=16, starting=2, top_k=4, from_layer=0), ids(120)
    turns = grouped.seam.new_cache(method)
    for part, fetches in ((text[:70], True), (text[70:90], False), (text[90:], True)):
        expected = grouped.forward(part, turns, retrieves=fetches)[-1]
    cache = prefill(grouped, text[:70], method).cache
    close(prefill(grouped, text[70:], method, cache, chunk=20).logits, expected, method)
    assert not torch.allclose(expected, grouped.logits(text, method)[-1], atol=1e-3)


@pytest.mark.parametrize("chunk", [1, 32, 2048])
def test_nll_is_the_cross_entropy_of_the_next_token(grouped, chunk):
    text, method = ids(50), METHODS["lm-infinite"](window=TRAINED, starting=4)
    expected = F.cross_entropy(grouped.logits(text, method)[:-1], text[1:], reduction="none")
    nll = grouped.nll(text, method, chunk=chunk)
    assert isinstance(nll, np.ndarray)
    assert nll.shape == (49,)
    np.testing.assert_allclose(nll, expected, atol=1e-4)


def test_nll_reports_its_progress_up_to_the_end(grouped):
    seen = []
    grouped.nll(ids(100), defaults("window"), chunk=30, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(30, 100), (60, 100), (90, 100), (100, 100)]


def test_tokens_that_truncation_cuts_away_have_no_logits_and_no_nll(grouped):
    method, text = METHODS["truncation"](length=20), ids(50)
    logits, nll = grouped.logits(text, method), grouped.nll(text, method, chunk=7)
    assert bool(logits[:30].isnan().all())
    close(logits[30:], grouped.logits(text[30:], METHODS["vanilla"]()))
    assert bool(np.isnan(nll[:30]).all())
    np.testing.assert_allclose(nll[30:], grouped.nll(text[30:], METHODS["vanilla"]()), atol=1e-4)


def test_one_token_has_logits_and_no_nll(grouped):
    assert grouped.logits([5], defaults("vanilla")).shape == (1, VOCABULARY)
    assert grouped.nll([5], defaults("vanilla")).shape == (0,)


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ([], r"non-empty list of token ids, but got shape \(0,\)"),
        ([[1, 2]], r"non-empty list of token ids, but got shape \(1, 2\)"),
        ([3.5, 4.0], "Token ids must be whole numbers, but torch.float32 was given"),
        (torch.tensor([True, False]), "Token ids must be whole numbers, but torch.bool was given"),
        ([3, 61], "Token ids must lie in 0 to 60, but 3 to 61 were given"),
        ([-1, 3], "Token ids must lie in 0 to 60, but -1 to 3 were given"),
    ],
)
def test_what_are_not_token_ids_of_the_model_is_refused(grouped, given, sentence):
    with pytest.raises(LongSightError, match=sentence):
        grouped.logits(given, defaults("vanilla"))
    with pytest.raises(LongSightError, match=sentence):
        grouped.nll(given, defaults("vanilla"))


def test_a_model_knows_its_defaults_and_its_recommendations_override_them(grouped):
    assert {key: grouped.method(key, 150) for key in METHODS} == {key: defaults(key, 150) for key in METHODS}
    advised = replace(grouped, recommended={"lm-infinite": {"starting": 7, "top_k": 2, "from_layer": 1}})
    expected = METHODS["lm-infinite"](window=TRAINED, starting=7, top_k=2, from_layer=1)
    assert advised.method("lm-infinite", 150) == expected
    assert advised.method("window", 150) == defaults("window", 150)


def test_a_method_that_does_not_exist_is_refused_with_those_that_do(grouped):
    with pytest.raises(LongSightError, match="no method 'longrope'; there are vanilla, window, truncation"):
        grouped.method("longrope", 100)


def test_a_model_in_memory_is_adopted_with_its_trained_length_and_put_into_evaluation():
    hf = tiny.hf().train()
    model = adopt(hf, name="mine")
    assert (model.name, model.train_length, model.position_encoding) == ("mine", TRAINED, "rope")
    assert (model.dtype, model.device.type) == (torch.float32, "cpu")
    assert not hf.training
    assert model.tokenizer is None
