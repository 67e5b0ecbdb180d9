"""`patched`: a monkey patch for the length of a `with` block, whatever happens in it."""

import pytest
import torch
from transformers import DynamicCache

import longsight
from longsight.errors import LongSightError
from longsight.models.module_patching import cache_keyword
from tests.longsight import tiny
from tests.longsight.matrix.cell import defined, state
from tests.longsight.tiny import ids

INSIDE = longsight.SelfExtend(group=4, window=8)
BEFORE = longsight.LMInfinite(window=12, starting=2)


def close(found, law):
    torch.testing.assert_close(found, law, atol=1e-4, rtol=0)


@pytest.fixture
def hf():
    return tiny.hf()


def test_the_block_reads_with_the_method_and_what_comes_after_it_with_the_stock_model(hf, grouped):
    text, before = ids(60), state(hf)
    calm = hf(text[None]).logits
    with longsight.patched(hf, INSIDE) as same:
        assert same is hf
        close(hf(text[None]).logits[0], defined(grouped, text, INSIDE))
    assert state(hf) == before
    assert torch.equal(hf(text[None]).logits, calm)


def test_an_exception_passes_and_leaves_the_stock_model(hf):
    before = state(hf)
    with pytest.raises(RuntimeError, match="on purpose"), longsight.patched(hf, INSIDE):
        raise RuntimeError("on purpose")
    assert state(hf) == before


def test_a_model_that_was_patched_is_patched_again_and_its_caches_go_on(hf, grouped):
    text, lent = ids(60), DynamicCache()
    longsight.patch(hf, BEFORE)
    ours = hf(text[None, :30], use_cache=True)[cache_keyword(hf)]
    hf(text[None, :30], past_key_values=lent)
    with longsight.patched(hf, INSIDE):
        close(hf(text[None]).logits[0], defined(grouped, text, INSIDE))
    law = defined(grouped, text, BEFORE)
    close(hf(text[None]).logits[0], law)
    for cache in (ours, lent):
        close(hf(text[None, 30:], past_key_values=cache).logits[0], law[30:])


@pytest.mark.parametrize("patched_before", [False, True])
@pytest.mark.parametrize(
    "refused", [longsight.Truncation(length=8), longsight.LMInfinite(window=8, top_k=2, from_layer=99)]
)
def test_a_method_that_is_refused_leaves_the_model_as_it_was(hf, grouped, refused, patched_before):
    text = ids(40)
    if patched_before:
        longsight.patch(hf, BEFORE)
    calm = hf(text[None]).logits
    with pytest.raises(LongSightError), longsight.patched(hf, refused):
        raise AssertionError("never reached")
    assert torch.equal(hf(text[None]).logits, calm)


def test_blocks_inside_blocks_end_one_after_the_other(hf, grouped):
    text = ids(40)
    with longsight.patched(hf, BEFORE):
        with longsight.patched(hf, INSIDE):
            close(hf(text[None]).logits[0], defined(grouped, text, INSIDE))
        close(hf(text[None]).logits[0], defined(grouped, text, BEFORE))
