"""Small tensors on their way from the processor to the device."""

import torch
from torch import Tensor


def sent(x: Tensor, device: torch.device, dtype: torch.dtype | None = None) -> Tensor:
    """`x` on `device`. Nobody waits for CUDA to have come so far in its work: it has taken the numbers when this
    returns, and what computes with them comes after them. (MPS takes them later, and the way back is always waited
    for.)"""
    return x.to(device, dtype, non_blocking=device.type == "cuda" and x.device.type == "cpu")
