"""Attention here is forward only, and says so when asked for gradients instead of handing out wrong ones.

The fused kernels give no gradient for their log-sum-exp, through which bands are merged.
"""

from typing import Any

import torch
from torch import Tensor

from longsight.errors import LongSightError


class _ForwardOnly(torch.autograd.Function):
    """The identity on `out`, hung into the graph of `source`."""

    @staticmethod
    def forward(ctx: Any, source: Tensor, out: Tensor) -> Tensor:
        return out.view_as(out)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Any:
        raise LongSightError(
            "A model patched by LongSight has no backward pass: it repairs reading without training. "
            "Call unpatch(model) before you compute gradients."
        )


def forward_only(source: Tensor, out: Tensor) -> Tensor:
    """`out`, whose backward pass raises LongSightError if `source` is part of one."""
    return _ForwardOnly.apply(source, out) if torch.is_grad_enabled() and source.requires_grad else out
