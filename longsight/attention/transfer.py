"""Small tensors on their way between the processor and the device."""

import torch
from torch import Tensor


def sent(x: Tensor, device: torch.device, dtype: torch.dtype | None = None) -> Tensor:
    """`x` on `device`. Nobody waits for CUDA to have come so far in its work: it has taken the numbers when this
    returns, and what computes with them comes after them. (MPS takes them later, and the way back is always waited
    for.)"""
    return x.to(device, dtype, non_blocking=device.type == "cuda" and x.device.type == "cpu")


class Arriving:
    """A number `x` (1,) that was asked for: whoever reads it waits until it has been computed, and on CUDA for nothing
    that the device was given to do after this was made."""

    def __init__(self, x: Tensor) -> None:
        self._come: torch.cuda.Event | None = None
        self._x = x
        if x.device.type == "cuda":
            self._x = x.to("cpu", non_blocking=True)  # into pinned memory, where it is once `_come` has happened
            self._come = torch.cuda.current_stream(x.device).record_event()

    def number(self) -> int:
        if self._come is not None:
            self._come.synchronize()
        return int(self._x)


Copies = dict[torch.device, Tensor]
"""A tensor that never changes, on the devices that have asked for it."""


def kept_on(device: torch.device, x: Tensor, copies: Copies) -> Tensor:
    """`x` in float64 on `device`: sent there once, and found among its `copies` from then on."""
    if device not in copies:
        copies[device] = sent(x, device, torch.float64)
    return copies[device]
