"""What is done around the kernels; for CUDA's with a stand-in that is as particular as it is."""

import pytest
import torch

from longsight.attention import fast, kernels
from longsight.attention.alibi import Alibi, slopes
from longsight.attention.fast import attend, attend_one, make_glance, make_plan
from longsight.attention.kernels import KERNELS
from longsight.attention.plain import plain
from longsight.attention.rope import Rotary
from longsight.methods import METHODS
from tests.longsight import tiny
from tests.pretend_cuda import efficient_attention

HEADS, CHANNELS, SCALING = 4, 8, 0.35
FREQUENCIES = 1 / 10_000 ** (torch.arange(0, CHANNELS, 2, dtype=torch.float64) / CHANNELS)


@pytest.fixture
def _on_cuda(monkeypatch):
    """Every kernel call goes the way of CUDA."""
    monkeypatch.setattr(torch.ops.aten, "_scaled_dot_product_efficient_attention", efficient_attention)
    monkeypatch.setitem(KERNELS, "cpu", KERNELS["cuda"])


def heads(n, key_heads, dtype, channels=CHANNELS, batch=1):
    make = torch.Generator().manual_seed(0)
    return tuple(torch.randn(batch, h, n, channels, generator=make).to(dtype) for h in (HEADS, key_heads, key_heads))


@pytest.mark.usefixtures("_on_cuda")
@pytest.mark.parametrize("encoding", [Alibi(slopes(HEADS)), Rotary(FREQUENCIES)], ids=["alibi", "rope"])
@pytest.mark.parametrize(
    ("key", "dtype", "allowed"),
    [
        *((key, torch.bfloat16, 0.03) for key in ("vanilla", "lm-infinite", "self-extend", "dual-chunk")),
        ("lm-infinite", torch.float32, 3e-5),
        ("self-extend", torch.float16, 0.004),
    ],
)
def test_a_long_text_is_the_definition_in_every_number_format(key, encoding, dtype, allowed):
    """ALiBi's biases are counted from a chunk's first token: far out, 16 bits leave no digits for a step of one."""
    n, method = 700, METHODS[key].for_model(256, 1024)
    q, k, v = heads(n, 2, dtype)
    i = torch.arange(n)
    law = plain(q.float(), k.float(), v.float(), i, i, method, encoding, scaling=SCALING)
    out, _ = attend(q, k, v, make_plan(i, i, method, encoding, q), SCALING)
    last, _ = attend_one(q[:, :, -1:], k, v, make_glance(i[-1:], i, tiny.lying(i), method, encoding, q), SCALING)
    assert out.dtype == last.dtype == dtype
    assert (out.float() - law).abs().max() < allowed
    assert (last.float() - law[:, :, -1:]).abs().max() < allowed


@pytest.mark.usefixtures("_on_cuda")
@pytest.mark.parametrize(("dtype", "allowed"), [(torch.float32, 3e-5), (torch.bfloat16, 0.03)])
@pytest.mark.parametrize(("channels", "key_heads"), [(10, 2), (12, 4), (20, 1)])
def test_heads_of_any_width_are_the_definition(channels, key_heads, dtype, allowed):
    """As in OpenLLaMA 3B, whose heads are 100 channels wide."""
    method, i = METHODS["lm-infinite"].for_model(64, 256), torch.arange(200)
    q, k, v = heads(200, key_heads, dtype, channels)
    encoding = Rotary(FREQUENCIES)
    out, _ = attend(q, k, v, make_plan(i, i, method, encoding, q), SCALING)
    law = plain(q.float(), k.float(), v.float(), i, i, method, encoding, scaling=SCALING)
    assert out.shape == q.shape
    assert (out.float() - law).abs().max() < allowed


@pytest.mark.parametrize(("key_heads", "batch"), [(4, 1), (2, 3)])
def test_nothing_is_copied_per_head_or_per_query(key_heads, batch, monkeypatch):
    """Keys that heads share, and biases that queries share: copied out, they would be the largest things in memory."""
    held = []

    def watch(q, k, v, mask, **options):
        held.append((k.untyped_storage().nbytes() / k.nbytes, mask.untyped_storage().nbytes() / mask.nbytes))
        return efficient_attention(q, k, v, mask, **options)

    monkeypatch.setattr(torch.ops.aten, "_scaled_dot_product_efficient_attention", watch)
    monkeypatch.setitem(KERNELS, "cpu", KERNELS["cuda"])
    monkeypatch.setattr(fast, "BLOCK", 128)
    monkeypatch.setattr(fast, "WHOLE", 256)
    n, method, encoding = 600, METHODS["vanilla"](), Alibi(slopes(HEADS))
    q, k, v = heads(n, key_heads, torch.bfloat16, batch=batch)
    i = torch.arange(n)
    out, _ = attend(q, k, v, make_plan(i, i, method, encoding, q), SCALING)
    law = plain(q.float(), k.float(), v.float(), i, i, method, encoding, scaling=SCALING)
    assert (out.float() - law).abs().max() < 0.03
    assert all(keys <= key_heads / HEADS for keys, _ in held)
    assert min(bias for _, bias in held) < 0.01, "no block of queries shares its biases"


@pytest.mark.parametrize("key", ["vanilla", "ceiling", "self-extend"])
def test_alibi_is_exact_however_long_a_pass_is(key):
    """Biases of 4,000 tokens in one pass: counted from the first of them, float32 would be off by 1e-4."""
    n, method, encoding = 8000, METHODS[key].for_model(512, 8000), Alibi(slopes(1, bias_max=1.0))
    q, k, v = (x[:, :1] for x in heads(n, 1, torch.float32))
    i, rows = torch.arange(n), torch.tensor([0, 511, 512, 5000, n - 300, n - 1])
    law = [
        plain(q[:, :, r : r + 1].double(), k.double(), v.double(), i[r : r + 1], i, method, encoding, scaling=SCALING)
        for r in rows
    ]
    out, lse = attend(q, k, v, make_plan(i, i, method, encoding, q), SCALING)
    assert out.dtype == lse.dtype == torch.float32
    assert (out[:, :, rows] - torch.cat(law, dim=2)).abs().max() < 3e-5


@pytest.mark.parametrize(("dtype", "allowed"), [(torch.float32, 3e-5), (torch.bfloat16, 0.03)])
@pytest.mark.parametrize("key", ["lm-infinite", "self-extend"])
def test_soft_capped_logits_are_the_definition_in_blocks_of_any_size(key, dtype, allowed, monkeypatch):
    monkeypatch.setattr(fast, "BLOCK", 64)
    n, method, encoding = 200, METHODS[key].for_model(64, 256), Rotary(FREQUENCIES)
    q, k, v = (3 * x for x in heads(n, 2, dtype, batch=2))
    i, options = torch.arange(n), {"scaling": SCALING, "softcap": 2.0}
    law = plain(q.float(), k.float(), v.float(), i, i, method, encoding, **options)
    free = plain(q.float(), k.float(), v.float(), i, i, method, encoding, scaling=SCALING)
    assert (law - free).abs().max() > 0.5, "the cap is never reached"
    for budget in (kernels.BUDGET, 2 * HEADS * 64 * 50):
        monkeypatch.setattr(kernels, "BUDGET", budget)
        plan = make_plan(i, i, method, encoding, q)
        out, lse = attend(q, k, v, plan, **options)
        last, _ = attend_one(q[:, :, -1:], k, v, make_glance(i[-1:], i, tiny.lying(i), method, encoding, q), **options)
        assert (out.dtype, last.dtype, lse.dtype) == (dtype, dtype, torch.float32)
        assert (out.float() - law).abs().max() < allowed * v.float().abs().max()
        assert (last.float() - law[:, :, -1:]).abs().max() < allowed * v.float().abs().max()


def test_no_more_capped_logits_are_held_than_the_budget_allows(monkeypatch):
    held, tanh = [], torch.Tensor.tanh_
    monkeypatch.setattr(torch.Tensor, "tanh_", lambda logits: held.append(logits.numel()) or tanh(logits))
    monkeypatch.setattr(kernels, "BUDGET", 10_000)
    q, k, v = heads(500, 2, torch.float32)
    kernels.kernel(q[:, :, :20], k, v, None, SCALING, softcap=5.0)
    assert max(held) <= 10_000
    assert sum(held) == HEADS * 20 * 500


@pytest.mark.parametrize(("dtype", "allowed"), [(torch.float32, 3e-6), (torch.bfloat16, 0.02)])
@pytest.mark.parametrize("keys", [1, 10, 16, 17, 31, 32, 33])
def test_few_keys_for_many_queries_are_all_that_is_seen(keys, dtype, allowed):
    """They go to the CPU's kernel as 16 or 32, the rest of which weighs nothing."""
    q, _, _ = heads(70, 2, dtype)
    _, k, v = heads(keys, 2, dtype)
    out, lse = kernels.kernel(q, k, v, None, SCALING)
    exact, sums = kernels.unfused(
        *(x.float() for x in (q, *(x.repeat_interleave(2, 1) for x in (k, v)))), None, SCALING
    )
    assert (out.float() - exact).abs().max() < allowed
    assert (lse - sums).abs().max() < allowed
