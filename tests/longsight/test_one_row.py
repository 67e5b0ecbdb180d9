"""A row times the weights of a model is the same by whatever product, and steps are found where a file had some."""

import weakref

import gguf
import numpy as np
import pytest
import torch
from gguf import GGMLQuantizationType as Kind
from torch import nn

from longsight.models import one_row
from longsight.models.model import adopt
from longsight.models.module_patching import restore
from longsight.models.one_row import GROUP, MIDDLE, find_steps, quicken
from tests.longsight import tiny

BF16 = torch.bfloat16
FORMATS = (torch.float32, torch.float16, BF16)


def drawn(rows, columns, seed=0):
    return torch.randn(rows, columns, generator=torch.Generator().manual_seed(seed)) * 0.05


def quantised(kind, rows=48, columns=512):
    """Weights in float32 as a file of this kind has them."""
    if kind in (Kind.Q4_K, Kind.Q6_K, Kind.Q5_K):  # gguf reads these, and writes them not
        block, size = gguf.GGML_QUANT_SIZES[kind]
        raw = np.random.default_rng(0).integers(0, 256, (rows * columns // block, size), dtype=np.uint8)
        scale = np.full(len(raw), 0.0003, dtype=np.float16).view(np.uint8).reshape(-1, 2)
        if kind == Kind.Q6_K:
            raw[:, -2:] = scale
        else:
            raw[:, :2], raw[:, 2:4] = scale, scale
        return torch.from_numpy(gguf.dequantize(raw, kind).reshape(rows, columns).copy())
    return torch.from_numpy(gguf.dequantize(gguf.quantize(drawn(rows, columns).numpy(), kind), kind).copy())


def said(steps):
    """The weights that the steps stand for."""
    codes = torch.stack((steps.codes & 15, steps.codes >> 4), dim=-1).flatten(1).float()
    spacing, middle = (each.T.repeat_interleave(GROUP, 1) for each in steps.places.float().unbind(-1))
    return (codes - MIDDLE) * spacing + middle


def away(found, weight):
    """How far they are from each other, as a share of the largest in the group."""
    groups, largest = ((x.float().unflatten(1, (-1, GROUP)).abs()) for x in (found - weight, weight))
    return groups / largest.amax(-1, keepdim=True)


@pytest.mark.parametrize("dtype", FORMATS)
@pytest.mark.parametrize("kind", [Kind.Q4_0, Kind.Q4_1, Kind.Q4_K])
def test_steps_of_four_bits_are_found_in_whatever_format_the_weights_are(kind, dtype):
    weight = quantised(kind)
    steps = find_steps(weight.to(dtype))
    assert steps is not None
    assert away(said(steps), weight).max() < 1.5 * 2**-8, "which is half of the last of eight bits"
    rounded = away(weight.to(BF16), weight)
    assert away(said(steps), weight).square().mean() < 1.4 * rounded.square().mean(), "as good as bfloat16"
    assert steps.bytes * 8 == 5 * weight.numel(), "four bits each, and two numbers for 32"


@pytest.mark.parametrize("kind", [Kind.Q8_0, Kind.Q5_0, Kind.Q5_K, Kind.Q6_K, Kind.F32])
def test_more_bits_lie_on_no_sixteen_steps(kind):
    assert find_steps(quantised(kind).to(BF16)) is None


def test_one_weight_beside_its_step_is_enough_for_none():
    weight = quantised(Kind.Q4_1)
    group = weight[-1, -GROUP:]
    least, greatest = group.argmin(), group.argmax()
    other = next(n for n in range(GROUP) if n not in (least, greatest))
    group[other] = group[least] + (group[greatest] - group[least]) * 0.3 / 15
    assert find_steps(weight) is None


@pytest.mark.parametrize("value", [0.0, -0.0, 0.25, -3e-39])
def test_groups_of_equal_weights_are_steps_too(value):
    weight = quantised(Kind.Q4_1)
    weight[3, 64:96] = value
    steps = find_steps(weight.to(BF16))
    assert bool((said(steps)[3, 64:96] == torch.tensor(value).to(BF16)).all())


def test_a_long_matrix_is_looked_at_piece_by_piece(monkeypatch):
    weight = quantised(Kind.Q4_1)
    whole = find_steps(weight)
    monkeypatch.setattr(one_row, "AT_ONCE", 1000)
    parts = find_steps(weight)
    assert torch.equal(parts.codes, whole.codes)
    assert torch.equal(parts.places, whole.places)


@pytest.mark.parametrize("greatest", [3e37, 3.3e38, float("inf"), float("nan")])
def test_weights_too_large_to_be_summed_are_left(greatest):
    weight = quantised(Kind.Q4_1)
    weight[3, 64:96] = torch.linspace(0, 15, 32).round() / 15 * greatest
    assert find_steps(weight.to(BF16)) is None


@pytest.mark.parametrize(("rows", "columns"), [(24, 64), (32, 48)])
def test_shapes_that_torch_cannot_pack_are_left(rows, columns):
    assert find_steps(torch.zeros(rows, columns)) is None


HAS_KERNEL = pytest.mark.skipif(
    torch.backends.cpu.get_cpu_capability() not in one_row.KERNELS, reason="torch packs other codes on this processor"
)


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("by_steps", [False, pytest.param(True, marks=HAS_KERNEL)])
def test_one_row_is_multiplied_as_exactly_as_many_are(bias, by_steps):
    module = nn.Linear(512, 48, bias=bias, dtype=BF16)
    module.weight.data = quantised(Kind.Q4_1).to(BF16)
    steps = find_steps(module.weight.detach())
    one = one_row._by_steps(module, steps) if by_steps else one_row._by_vector(module)
    weight = said(steps) if by_steps else module.weight.detach()
    rows = drawn(64, 512, seed=1).to(BF16)
    with torch.inference_mode():
        truth = nn.functional.linear(rows.double(), weight.double(), module.bias.double() if bias else None)
        found = torch.cat([one(row[None, None]) for row in rows], dim=1)[0]
        assert found.dtype == BF16
        ulp = truth.abs().clamp(min=2**-6) * 2**-7
        assert bool(((found - truth).abs() <= ulp * (2 if bias else 1)).all())
        assert torch.equal(one(rows), module(rows)), "many rows stay as they were"
        assert one(rows[:0]).shape == (0, 48)
        for row in (rows[0].repeat_interleave(2)[None, ::2], rows[:1, :1].expand(1, 512)):
            assert torch.equal(one(row), one(row.contiguous()[0])[None]), "however it lies in memory"
        assert torch.equal(one(rows[None, :1].float().to(BF16).mT.contiguous().mT), one(rows[None, :1]))


@pytest.mark.parametrize("by_steps", [False, pytest.param(True, marks=HAS_KERNEL)])
def test_a_bias_is_added_by_itself(by_steps):
    """`addmv` is one operation for both, and slow on processors without AVX512."""
    module = nn.Linear(512, 48, dtype=BF16)
    module.weight.data = quantised(Kind.Q4_1).to(BF16)
    one = one_row._by_steps(module, find_steps(module.weight.detach())) if by_steps else one_row._by_vector(module)
    bias = module.bias
    with torch.inference_mode():
        for row in drawn(64, 512, seed=1).to(BF16):
            module.bias = None
            product = one(row)
            module.bias = bias
            assert torch.equal(one(row), product + bias)


@HAS_KERNEL
def test_what_is_packed_holds_no_codes_besides():
    module = nn.Linear(512, 48, dtype=BF16)
    module.weight.data = quantised(Kind.Q4_1).to(BF16)
    steps = find_steps(module.weight.detach())
    codes = weakref.ref(steps.codes)
    one = one_row._by_steps(module, steps)
    del steps
    assert codes() is None, "they would take as much again"
    assert one(torch.ones(1, 512, dtype=BF16)).shape == (1, 48)


def test_weights_that_begin_between_what_a_processor_reads_at_once_are_copied_and_stay_tied():
    hf = tiny.hf("llama", tie_word_embeddings=True).to(BF16)
    for weight in hf.parameters():  # as they lie in a file that is mapped into memory
        weight.data = torch.cat((weight.new_zeros(4), weight.data.flatten()))[4:].view(weight.shape)
    before = [weight.clone() for weight in hf.parameters()]
    quicken(hf, None)
    assert {module.weight.data_ptr() % 64 for module in hf.modules() if isinstance(module, nn.Linear)} == {0}
    assert all(map(torch.equal, hf.parameters(), before))
    assert hf.lm_head.weight is hf.model.embed_tokens.weight


def test_only_a_model_in_bfloat16_is_quickened_and_given_back_as_it_was():
    assert quicken(tiny.hf(), None) == ([], 0)
    hf = tiny.hf("qwen2").to(BF16)  # some of its products have a bias
    stock = adopt(tiny.hf("qwen2").to(BF16))
    shadowed, more = quicken(hf, None)
    assert (len(shadowed), more) == (sum(isinstance(each, nn.Linear) for each in hf.modules()), 0)
    model, vanilla = adopt(hf), tiny.defaults("vanilla")
    for ours, theirs in [(model.logits(tiny.ids(9), vanilla, chunk), stock.logits(tiny.ids(9), vanilla, chunk))
                         for chunk in (1, 9)]:  # fmt: skip
        torch.testing.assert_close(ours, theirs, atol=0.02, rtol=0.02)
    for each in shadowed:
        restore(each)
    assert not any("forward" in vars(each) for each in hf.modules() if isinstance(each, nn.Linear))


@pytest.mark.parametrize(("kernel", "found"), [("DEFAULT", 0), ("AVX2", 10), ("AVX512", 10)])
def test_steps_are_looked_for_where_torch_has_their_product(kernel, found, tmp_path, monkeypatch):
    looked = []
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: kernel)
    monkeypatch.setattr(one_row, "find_steps", lambda weight: looked.append(weight))
    quicken(tiny.hf().to(BF16), tmp_path)
    assert bool(looked) == bool(found)
