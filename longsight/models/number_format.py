"""In which number format a model runs, and in which its patch is proven."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, PretrainedConfig, PreTrainedModel

LARGE = 50_000_000
"""Weights of a model from which on its matrix products are nearly all of its work on a CPU."""

HALVES = (torch.bfloat16, torch.float16)
MEMORY = Path("/proc/meminfo")


def usual(device: torch.device, config: PretrainedConfig) -> torch.dtype:
    """The format that a model is loaded in where nobody asks for another: bfloat16, but on a CPU float32, unless its
    matrix unit multiplies bfloat16 and the model is large."""
    if device.type != "cpu":
        return torch.bfloat16
    return cpu_format(torch.cpu.get_capabilities(), config)


def cpu_format(capabilities: Mapping[str, Any], config: PretrainedConfig) -> torch.dtype:
    """`usual` for a CPU of these capabilities. AMX multiplies bfloat16 about four times as fast as float32; without it
    there is nothing to be won."""
    large = bool(capabilities.get("amx_bf16")) and weights_of(config) >= LARGE
    return torch.bfloat16 if large else torch.float32


def weights_of(config: PretrainedConfig) -> int:
    """How many weights a model of this config has; none is made."""
    with torch.device("meta"):
        return AutoModelForCausalLM.from_config(config).num_parameters()


@contextmanager
def proven_exactly(hf: PreTrainedModel) -> Iterator[None]:
    """While it lasts `hf` has its weights of 16 bits in float32, the very same numbers, so that a proof sees more than
    rounding. Not where there is no room for them, not for weights that are quantised or lie elsewhere, and not where a
    cast has rounded a table of sines, for no number format brings those back (GPT-J)."""
    tensors = [*hf.parameters(), *hf.buffers()]
    before = [(tensor, tensor.data) for tensor in tensors if tensor.dtype in HALVES]
    if not before or not _can_widen(hf):
        yield
        return
    try:
        for tensor, held in before:
            tensor.data = held.float()
        yield
    finally:
        for tensor, held in before:
            tensor.data = held


def _can_widen(hf: PreTrainedModel) -> bool:
    plain = all(p.is_floating_point() and p.itemsize > 1 and p.device == hf.device for p in hf.parameters())
    placed = hf.device.type in ("cpu", "cuda") and not hasattr(hf, "hf_device_map")
    tables = any(buffer.ndim > 1 and buffer.dtype in HALVES for buffer in hf.buffers())
    needed = sum(4 * p.numel() for p in hf.parameters() if p.dtype in HALVES)
    return plain and placed and not tables and free_bytes(hf.device) >= needed


def free_bytes(device: torch.device) -> int:
    """Memory that can be had; 0 where this system does not say."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    if not MEMORY.exists():
        return 0
    facts = dict(line.split(":") for line in MEMORY.read_text().splitlines())
    return 1024 * int(facts["MemAvailable"].split()[0])
