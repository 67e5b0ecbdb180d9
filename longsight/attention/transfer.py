"""Small tensors on their way from the processor to the device."""

import torch
from torch import Tensor


def sent(x: Tensor, device: torch.device, dtype: torch.dtype | None = None) -> Tensor:
    """`x` on `device`. Nobody waits for CUDA to have come so far in its work: it has taken the numbers when this
    returns, and what computes with them comes after them. (MPS takes them later, and the way back is always waited
    for.)"""
    return x.to(device, dtype, non_blocking=device.type == "cuda" and x.device.type == "cpu")


Copies = dict[torch.device, Tensor]
"""A tensor that never changes, on the devices that have asked for it."""


def kept_on(device: torch.device, x: Tensor, copies: Copies) -> Tensor:
    """`x` in float64 on `device`: sent there once, and found among its `copies` from then on."""
    if device not in copies:
        copies[device] = sent(x, device, torch.float64)
    return copies[device]
