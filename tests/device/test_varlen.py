"""Reading by `varlen_attn` on a device that is only pretended, whose kernel asks and answers as CUDA's do."""

import re
import sys
from functools import cache
from itertools import accumulate

import pytest
import torch

from longsight.attention import fast, varlen
from longsight.attention.fast import attend, make_plan
from longsight.attention.plain import plain
from longsight.generation.patching import patched
from longsight.methods import METHODS
from longsight.models.model import adopt
from tests import pretend_cuda, varlen_reference
from tests.device.placed import hf_on_cuda, on_cuda
from tests.longsight import tiny
from tests.longsight.matrix import cell, variants
from tests.longsight.test_attention import ENCODINGS, SCALING, random_heads

KERNEL = torch.ops.torch_attn._varlen_attn.default
MASKED = torch.ops.aten._scaled_dot_product_efficient_attention.default
CUDA = torch.device("cuda", 0)
TEXT = tiny.distinct(44)
BFLOAT16 = 0.1
"""Of the largest logit, as in the matrix of devices."""


@pytest.fixture
def calls(monkeypatch):
    """What the kernels were asked for: (operation, arguments)."""
    asked = []
    for name in (KERNEL, MASKED):
        run = pretend_cuda.KERNELS[name]
        monkeypatch.setitem(
            pretend_cuda.KERNELS, name,
            lambda *args, name=name, run=run, **more: asked.append((name, args)) or run(*args, **more),
        )  # fmt: skip
    return asked


@pytest.fixture
def _exact(monkeypatch):
    """As if the kernel had float32: rounding would hide a window that is off by one."""
    for module in (varlen, varlen_reference):
        monkeypatch.setattr(module, "FORMATS", [*module.FORMATS, torch.float32])


@pytest.fixture
def replace_kernel(monkeypatch):
    """Puts another kernel there, which has not been tried yet."""

    def put(kernel):
        monkeypatch.setitem(pretend_cuda.KERNELS, KERNEL, kernel)
        varlen.heads_first.cache_clear()

    yield put
    varlen.heads_first.cache_clear()


def count(calls, name=KERNEL):
    return sum(each == name for each, _ in calls)


@cache
def in_bfloat16(name):
    return adopt(variants.build(name).to("cuda", torch.bfloat16), name=name)


@pytest.mark.usefixtures("_exact")
@pytest.mark.parametrize("key", METHODS)
def test_attention_by_windows_is_the_definition(key, calls):
    """In a pass and gone on with, for grouped heads and rows that share a plan."""
    rope, n = ENCODINGS["rope"], 101
    for method, key_heads, batch in zip(tiny.spread(key, 3), (2, 4, 1), (1, 1, 2), strict=True):
        heads = random_heads(n, key_heads, batch)
        i, there = torch.arange(n), [x.to("cuda") for x in heads]
        law = plain(*heads, i, i, method, rope, scaling=SCALING, layer=-1)
        for run in method.runs(i):
            here = rope.under(method, method.length_at(i[run.start]))
            for rows in (run, slice((run.start + run.stop) // 2, run.stop)):
                plan = make_plan(i[rows].to("cuda"), i.to("cuda"), method, here, there[0], unmasked=True)
                out, lse = attend(there[0][:, :, rows], there[1], there[2], plan, SCALING)
                torch.testing.assert_close(out.cpu(), law[:, :, rows], atol=2e-5, rtol=0)
                assert lse.cpu().isfinite().all()
    assert count(calls)


def definition(method, text, name="llama"):
    """Logits by the definition of the tokens that a method reads, where it is read in the pieces of `cell`."""
    law = cell.defined(variants.adopted(name), text, method, ends=tuple(accumulate(cell.PIECES)))
    return law[len(text) - method.keeps(len(text)) :]


@pytest.mark.usefixtures("_exact")
@pytest.mark.parametrize("key", METHODS)
def test_every_method_reads_ragged_chunks_by_it(key, calls):
    """Over a cache that lets go of tokens."""
    method = variants.method(key)
    found = cell.in_pieces(on_cuda("llama"), TEXT, method)
    torch.testing.assert_close(found.cpu(), definition(method, TEXT), atol=2e-5, rtol=0)
    assert count(calls)


@pytest.mark.parametrize("key", [key for key in METHODS if variants.method(key).retrieval is None])
def test_every_method_reads_in_bfloat16_at_once_and_in_pieces(key, calls):
    """What is fetched is a choice, and rounding makes another."""
    model, method = in_bfloat16("llama"), variants.method(key)
    law = cell.defined(variants.adopted("llama"), TEXT, method)
    pieces = cell.in_pieces(model, TEXT, method)
    for found, expected in ((model.logits(TEXT, method), law), (pieces, law[len(TEXT) - len(pieces) :])):
        off = (found.cpu().float() - expected).nan_to_num().abs().max()
        assert off < BFLOAT16 * expected.nan_to_num().abs().max()
    assert count(calls)


LONG = 400


@pytest.mark.parametrize("key", METHODS)
def test_no_mask_is_made_and_no_key_is_copied_for_a_head(key, calls, monkeypatch):
    """Nor a value at all, of a single row."""
    hidden = []
    monkeypatch.setattr(fast, "_hidden", lambda *args: hidden.append(args))
    method, i = METHODS[key].for_model(256, LONG), torch.arange(LONG, device="cuda")
    q, k, v = (x.to("cuda", torch.bfloat16) for x in random_heads(LONG, 2))
    plan = make_plan(i, i, method, ENCODINGS["rope"], q, unmasked=True)
    calls.clear()
    attend(q, k, v, plan, SCALING)
    assert not hidden
    assert not count(calls, MASKED)
    shared = v.numbers.untyped_storage().data_ptr()
    for _, (_, keys, values, *_) in calls:
        assert keys.shape[1] == 2
        assert keys.untyped_storage().nbytes() <= k.numbers.nbytes
        assert values.untyped_storage().data_ptr() == shared
    assert len(calls) <= 3 + 2 * len(method.bands) * (1 + LONG // 128)


def test_float32_stays_with_the_masked_kernel(calls):
    on_cuda("llama").logits(TEXT, METHODS["vanilla"]())
    assert count(calls, MASKED)
    assert not count(calls)


OTHERS = {"alibi": "mpt, six heads", "soft caps": "gemma2", "keys wider than values": "deepseek_v3"}


@pytest.mark.usefixtures("_exact")
@pytest.mark.parametrize("what", OTHERS)
def test_so_does_what_the_kernel_has_not(what, calls):
    name, method = OTHERS[what], variants.method("self-extend")
    law = cell.defined(variants.adopted(name), TEXT, method)
    torch.testing.assert_close(on_cuda(name).logits(TEXT, method).cpu(), law, atol=2e-5, rtol=0)
    assert not count(calls)


@pytest.mark.usefixtures("_exact")
@pytest.mark.parametrize("name", ["llama", "gpt_oss", "mistral, windows in every layer", "llama4_text"])
def test_layers_with_rules_of_their_own_and_rows_of_a_padded_batch(name, calls):
    """Of such a batch each row is a text by itself."""
    method = variants.method("self-extend" if name in ("llama", "gpt_oss") else "vanilla")
    torch.testing.assert_close(
        cell.in_pieces(on_cuda(name), TEXT, method).cpu(), definition(method, TEXT, name), atol=2e-5, rtol=0
    )
    ids, mask = cell.padded([TEXT[:21], TEXT[:4]], left=True)
    with patched(hf_on_cuda(name), method) as hf:
        there = hf(input_ids=ids.to("cuda"), attention_mask=mask.to("cuda")).logits.cpu()
    with patched(variants.stock(name), method) as hf:
        here = hf(input_ids=ids, attention_mask=mask).logits
    torch.testing.assert_close(there, here, atol=2e-5, rtol=0)
    assert count(calls)


@pytest.mark.usefixtures("_exact")
def test_bands_whose_ends_jump_too_often_have_masks_beside_others_that_have_none(calls):
    method = METHODS["composed"]("i // 3 == j // 3: d; j < 4: 5; else: 4 + i // 5 - j // 5")
    i, heads = torch.arange(90), random_heads(90, 2)
    there = [x.to("cuda") for x in heads]
    plan = make_plan(i.to("cuda"), i.to("cuda"), method, ENCODINGS["rope"], there[0], unmasked=True)
    found = attend(*there, plan, SCALING)[0].cpu()
    law = plain(*heads, i, i, method, ENCODINGS["rope"], scaling=SCALING)
    torch.testing.assert_close(found, law, atol=2e-5, rtol=0)
    assert count(calls, KERNEL)
    assert count(calls, MASKED)


@pytest.mark.usefixtures("_exact")
@pytest.mark.parametrize("kernel", [varlen_reference.flash_attention, varlen_reference.tokens_first])
def test_the_log_sum_exp_may_lie_either_way(kernel, replace_kernel, caplog):
    """Four tokens and four heads: its shape does not tell."""
    replace_kernel(kernel)
    method, text = METHODS["streaming-llm"](sinks=2, recent=3), tiny.distinct(12)
    cache = on_cuda("llama").seam.new_cache(method)
    found = torch.cat([on_cuda("llama").forward(part, cache) for part in text.split(4)])
    torch.testing.assert_close(found.cpu(), cell.defined(variants.adopted("llama"), text, method), atol=2e-5, rtol=0)
    assert varlen.heads_first(CUDA, torch.float32, 8, True) == (kernel is varlen_reference.flash_attention)
    assert not caplog.records


def top_left(queries, keys, *more):
    """Aligned at the other corner."""
    both = max(queries, keys)
    return VISIBLE(both, both, *more)[:queries, :keys]


def one_more(queries, keys, is_causal, window):
    """As if a window of W keys were W keys before the query's own."""
    return VISIBLE(queries, keys, is_causal, [window[0] + (window[0] > 0), window[1]])


def too_old(*args):
    raise RuntimeError("FlashAttention only supports Ampere GPUs or newer.\nException raised from somewhere")


def without_sums(*args):
    out, lse, state = varlen_reference.flash_attention(*args)
    return out, torch.zeros_like(lse), state


def nowhere(*args):
    out, lse, state = varlen_reference.flash_attention(*args)
    return out * torch.nan, lse, state


def filled_up(*args):
    out, lse, state = varlen_reference.flash_attention(*args)
    return out, torch.nn.functional.pad(lse, (0, 28)), state


VISIBLE = varlen_reference.visible
WRONG = {
    top_left: r"is \S+ off for 150 queries, 200 keys and window=\(-1, 0\), its log-sum-exp \S+",
    one_more: r"is \S+ off for 150 queries, 200 keys and window=\(50, 0\), its log-sum-exp \S+",
    too_old: r"cannot be used: FlashAttention only supports Ampere GPUs or newer\.",
    without_sums: r"is \S+ off for 150 queries, 200 keys and window=\(-1, 0\), its log-sum-exp \S+",
    nowhere: r"is nan off for 150 queries, 200 keys and window=\(-1, 0\), its log-sum-exp \S+",
    filled_up: r"returns a log-sum-exp of shape \(6, 328\)",
}


@pytest.mark.parametrize("wrong", WRONG)
def test_a_kernel_that_is_not_what_it_should_be_is_left_and_said_once(
    wrong, replace_kernel, monkeypatch, caplog, calls
):
    if wrong in (top_left, one_more):
        monkeypatch.setattr(varlen_reference, "visible", wrong)
    replace_kernel(varlen_reference.flash_attention if wrong in (top_left, one_more) else wrong)
    law = cell.defined(variants.adopted("llama"), TEXT, variants.method("self-extend"))
    found = in_bfloat16("llama").logits(TEXT, variants.method("self-extend"))
    assert (found.cpu().float() - law).abs().max() < BFLOAT16 * law.abs().max()
    assert count(calls, MASKED)
    (message,) = [record.getMessage() for record in caplog.records]
    assert re.fullmatch(
        f"On cuda:0 texts are read with masks: varlen_attn of bfloat16 heads of 8 channels {WRONG[wrong]}", message
    )


def test_memory_that_runs_out_is_no_fault_of_the_kernel(replace_kernel):
    def full(*args):
        raise torch.OutOfMemoryError("no")

    replace_kernel(full)
    with pytest.raises(torch.OutOfMemoryError):
        in_bfloat16("llama").logits(TEXT, METHODS["vanilla"]())


def test_it_can_be_switched_off(calls, monkeypatch):
    monkeypatch.setenv(varlen.SWITCH, "0")
    in_bfloat16("llama").logits(TEXT, METHODS["vanilla"]())
    assert not count(calls)
    assert count(calls, MASKED)


def test_where_torch_has_no_such_kernel_the_masked_one_reads(calls, monkeypatch, caplog):
    monkeypatch.setitem(sys.modules, "torch.nn.attention.varlen", None)
    varlen.heads_first.cache_clear()
    in_bfloat16("llama").logits(TEXT, METHODS["vanilla"]())
    varlen.heads_first.cache_clear()
    assert not count(calls)
    assert (
        "varlen_attn of bfloat16 heads of 8 channels cannot be used: import of torch.nn.attention.varlen" in caplog.text
    )
