"""Which number format a model gets, and that one of 16 bits is proven in float32. No AMX is needed: the rule is a
function of what a processor says of itself."""

import pytest
import torch

from longsight.models import number_format
from longsight.models.model import adopt, load
from longsight.models.number_format import cpu_format, proven_exactly, usual, weights_of
from tests.longsight import tiny

AMX, NONE = {"amx_bf16": True, "avx2": True}, {"avx2": True, "avx512_bf16": True}


@pytest.mark.parametrize(
    ("capabilities", "large", "expected"),
    [(AMX, 100, torch.bfloat16), (AMX, 10**9, torch.float32), (NONE, 100, torch.float32), ({}, 100, torch.float32)],
)
def test_large_models_are_bfloat16_where_the_processor_has_amx(capabilities, large, expected, monkeypatch):
    monkeypatch.setattr(number_format, "LARGE", large)
    assert cpu_format(capabilities, tiny.hf().config) == expected


def test_weights_are_counted_without_being_made():
    hf = tiny.hf()
    assert weights_of(hf.config) == hf.num_parameters()


def test_a_processor_says_of_itself_what_the_rule_asks():
    assert "amx_bf16" in torch.cpu.get_capabilities() or torch.cpu.get_capabilities()["architecture"] != "x86_64"
    assert usual(torch.device("cuda"), tiny.hf().config) == torch.bfloat16


def test_a_model_is_loaded_in_that_format_unless_another_is_asked_for(monkeypatch):
    folder = tiny.DATA / "tiny_llama"
    monkeypatch.setattr(number_format, "LARGE", 100)
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: AMX)
    assert load(folder).dtype == torch.bfloat16
    assert load(folder, dtype=torch.float32).dtype == torch.float32


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_a_model_of_16_bits_is_proven_in_float32_and_given_back_as_it_was(dtype):
    hf = tiny.hf().to(dtype)
    before = {name: (x.data_ptr(), x.dtype, x.clone()) for name, x in hf.state_dict(keep_vars=True).items()}
    seam = adopt(hf).seam
    assert (seam.proven_in, hf.dtype) == (torch.float32, dtype)
    assert seam.difference < 1e-5 * 10
    for name, x in hf.state_dict(keep_vars=True).items():
        place, kind, values = before[name]
        assert (x.data_ptr(), x.dtype) == (place, kind)
        assert torch.equal(x, values)


def test_without_room_it_is_proven_in_its_own_format(monkeypatch):
    monkeypatch.setattr(number_format, "free_bytes", lambda device: 100)
    seam = adopt(tiny.hf().to(torch.bfloat16)).seam
    assert seam.proven_in == torch.bfloat16


def test_weights_come_back_when_the_proof_fails():
    hf = tiny.hf().to(torch.bfloat16)
    with pytest.raises(KeyError), proven_exactly(hf):
        raise KeyError(hf.dtype == torch.float32)
    assert hf.dtype == torch.bfloat16


def test_memory_that_the_system_tells_is_more_than_nothing():
    assert number_format.free_bytes(torch.device("cpu")) > 0 or not number_format.MEMORY.exists()
