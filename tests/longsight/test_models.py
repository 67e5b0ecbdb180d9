"""Whole models: every method gives the logits of its definition in any chunks, and the stock ones where promised."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from longsight.attention.chunk import Chunk
from longsight.attention.kv_cache import Cache
from longsight.attention.plain import plain
from longsight.errors import LongSightError
from longsight.generation.prefill import prefill
from longsight.methods import METHODS
from longsight.models.model import Model, adopt
from tests.longsight import tiny
from tests.longsight.tiny import TRAINED, VOCABULARY, defaults, ids, usable

N = 150


def close(a, b, method=None, allowed=1e-4):
    torch.testing.assert_close(
        a, b, atol=allowed, rtol=0, equal_nan=True, msg=lambda text: f"{method and method.describe()}: {text}"
    )


@pytest.fixture
def defined(monkeypatch):
    """Makes every layer compute attention by the plain definition."""

    def attend(self, layer, q, k, v, i, j, row, scaling):
        return plain(q, k, v, i, j, self.method, self.encoding, scaling=scaling, layer=layer, retrieves=self.retrieves)

    def use():
        monkeypatch.setattr(Chunk, "_attend", attend)

    return use


def stock_logits(model, text):
    """What the unpatched model with the same weights says."""
    hf = tiny.hf("llama", model.hf.config.num_key_value_heads)
    return hf(input_ids=text[None]).logits[0]


@pytest.mark.parametrize("key", METHODS)
def test_logits_are_those_of_the_plain_definition(model, defined, key):
    methods, text = usable(model, key, 3), ids(N)
    fast = [model.logits(text, method) for method in methods]
    defined()
    for method, logits in zip(methods, fast, strict=True):
        close(logits, model.logits(text, method), method)
        assert bool(logits[-1].isfinite().all())


@pytest.mark.parametrize("key", METHODS)
def test_logits_do_not_depend_on_how_the_text_is_cut(model, key):
    text = ids(N)
    for method in usable(model, key, 2):
        whole = model.logits(text, method)
        for chunk in (7, 64, N):
            close(model.logits(text, method, chunk), whole, method)


@pytest.mark.parametrize("key", METHODS)
def test_token_by_token_is_one_pass(model, key):
    method, text = defaults(key), ids(2 * TRAINED + 9)
    close(model.logits(text, method, chunk=1), model.logits(text, method), method)


def same_as_vanilla(method, limit):
    """The longest text (at most `limit`) on which the law is vanilla's."""
    i, j = torch.arange(limit)[:, None], torch.arange(limit)[None, :]
    frequencies = 1 / 10_000 ** (torch.arange(0, 8, 2, dtype=torch.float64) / 8)
    seen = (method.visible(i, j) == (j <= i)).expand(limit, limit).all(1)
    told = ((method.distance(i, j) == i - j) | (j > i)).expand(limit, limit).all(1)
    scale = method.logit_scale(i[:, 0])
    plain_scale = torch.ones(limit, dtype=torch.bool) if scale is None else scale == 1
    stock = [torch.equal(method.inv_freq(frequencies, method.length_at(query)), frequencies) for query in i[:, 0]]
    good = seen & told & plain_scale & torch.tensor(stock)
    return int(good.long().cumprod(0).sum())


@pytest.mark.parametrize("key", METHODS)
def test_where_the_law_is_vanillas_the_logits_are_the_stock_models(model, key):
    for method in usable(model, key, 5):
        n = min(same_as_vanilla(method, 60), method.keeps(60))
        if n:
            close(model.logits(ids(n), method), stock_logits(model, ids(n)), method, 1e-5)


@pytest.mark.parametrize("key", METHODS)
def test_defaults_inside_the_trained_length_are_the_stock_model(model, key):
    """Asked for the trained length, a method has nothing to extend; SelfExtend and its like promise their window."""
    method = defaults(key, TRAINED)
    n = TRAINED if key not in ("self-extend", "rerope", "leaky-rerope") else method.window
    close(model.logits(ids(n), method), stock_logits(model, ids(n)), method, 1e-5)


def test_vanilla_is_the_stock_model_far_beyond_the_trained_length(model):
    close(model.logits(ids(N), METHODS["vanilla"]()), stock_logits(model, ids(N)), allowed=1e-5)


@pytest.mark.parametrize("key", [key for key in METHODS if key != "vanilla"])
def test_no_method_is_silently_vanilla(model, key):
    method = defaults(key)
    logits = model.logits(ids(N), method)[-1]
    assert float((logits - model.logits(ids(N), METHODS["vanilla"]())[-1]).abs().max()) > 0.01, method.describe()


@pytest.mark.parametrize("cuts", [(1, 1), (40, 1), (100, 49)])
@pytest.mark.parametrize("key", METHODS)
def test_a_continued_cache_is_one_pass(grouped, key, cuts):
    text = ids(sum(cuts))
    for method in usable(grouped, key, 4):
        if method.retrieval is not None or method.keeps(len(text)) < len(text):
            continue  # the end of a turn fetches, by definition; truncation starts afresh (see test_generate)
        cache = prefill(grouped, text[: cuts[0]], method, chunk=33).cache
        read = prefill(grouped, text[cuts[0] :], method, cache, chunk=33)
        assert read.cache is cache
        assert cache.length == len(text)
        assert list(cache.ids) == text.tolist()
        close(read.logits, grouped.logits(text, method)[-1], method)


@pytest.mark.parametrize("key", METHODS)
@pytest.mark.parametrize("rows", [1, 3, 90])
def test_the_last_logits_alone_are_those_of_all(grouped, key, rows):
    """The last layer then attends for few tokens; what a cache holds of a text does not show it."""
    for method in (defaults(key, 90), *tiny.usable(grouped, key, 4)):
        caches = [grouped.seam.new_cache(method) for _ in range(2)]
        text = grouped.check_ids(ids(90))
        whole = grouped.forward(text, caches[0], retrieves=True)
        last = grouped.forward(text, caches[1], retrieves=True, logits_to_keep=rows)
        assert last.shape == (rows, whole.shape[1])
        torch.testing.assert_close(last, whole[-rows:], atol=2e-4, rtol=0)
        for a, b in zip(*(cache.layers for cache in caches), strict=True):
            assert torch.equal(a.keys, b.keys)
            assert torch.equal(a.values, b.values)


def test_a_continued_conversation_with_retrieval_fetches_at_the_end_of_every_turn(grouped):
    """What top-k means for a conversation: its earlier last tokens were read with what they fetched."""
    method, text = METHODS["lm-infinite"](window=16, starting=2, top_k=4, from_layer=0), ids(120)
    turns = Cache(method, grouped.seam.layers)
    for part, fetches in ((text[:70], True), (text[70:90], False), (text[90:], True)):
        expected = grouped.forward(part, turns, retrieves=fetches)[-1]
    cache = prefill(grouped, text[:70], method).cache
    close(prefill(grouped, text[70:], method, cache, chunk=20).logits, expected, method)
    assert not torch.allclose(expected, grouped.logits(text, method)[-1], atol=1e-3)


@pytest.mark.parametrize("chunk", [1, 32, 100, 2048])
def test_nll_is_the_cross_entropy_of_the_next_token(grouped, chunk):
    text, method = ids(90), METHODS["lm-infinite"](window=TRAINED, starting=4)
    expected = F.cross_entropy(grouped.logits(text, method)[:-1], text[1:], reduction="none")
    nll = grouped.nll(text, method, chunk=chunk)
    assert isinstance(nll, np.ndarray)
    assert nll.shape == (89,)
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


@pytest.mark.parametrize("key", METHODS)
def test_a_model_knows_its_defaults_and_its_recommendations_override_them(grouped, key):
    assert grouped.method(key, 150) == defaults(key, 150)
    advised = Model(**{**vars(grouped), "recommended": {"lm-infinite": {"starting": 7, "top_k": 2, "from_layer": 1}}})
    expected = METHODS["lm-infinite"](window=TRAINED, starting=7, top_k=2, from_layer=1)
    assert advised.method(key, 150) == (expected if key == "lm-infinite" else defaults(key, 150))


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


@pytest.mark.parametrize("key", METHODS)
def test_every_method_runs_in_bfloat16_and_stays_near_float32(key):
    hf = tiny.hf(initializer_range=0.1)
    exact = adopt(hf).logits(ids(100), defaults(key))
    half = adopt(tiny.hf(initializer_range=0.1).to(torch.bfloat16)).logits(ids(100), defaults(key), chunk=40)
    assert half.dtype == torch.bfloat16
    read = slice(100 - defaults(key).keeps(100), None)
    assert bool(half[read].isfinite().all())
    assert float((half[read].float() - exact[read]).abs().max()) < 0.05 * float(exact[read].abs().max())
