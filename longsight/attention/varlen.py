"""Attention by torch's `varlen_attn` (torch 2.13): CUDA's flash kernels with a window, so that nothing needs a mask.

Rows of a batch are packed one after the other, those of a padded one come here one by one; heads that share keys share
them in the kernel. It has 16 bits, neither biases nor soft caps, values as wide as keys, and heads of a multiple of 8
channels: everything else stays with the masked kernel of `kernels.py`. No CUDA device has run this yet, so it is tried
on the device itself before it is used there for the first time.
"""

import logging
import os
from functools import cache

import torch
from torch import Tensor

from longsight.attention.edges import Window
from longsight.attention.kernels import kernel

log = logging.getLogger(__name__)

SWITCH = "LONGSIGHT_VARLEN"
"""An environment variable; where it is 0, the masked kernel is used."""
FORMATS = (torch.bfloat16, torch.float16)
WIDEST = 256  # channels of a head

TRIED = [
    (150, 200, (-1, 0)), (150, 150, (-1, 0)), (150, 200, (50, 0)), (90, 150, (60, -1)), (150, 5, (-1, -1)),
    (1, 150, (-1, -1)),
]  # fmt: skip
"""(queries, keys, window): triangles, a window, keys left behind, few keys for many queries, a single query."""


def serves(q: Tensor, k: Tensor, v: Tensor) -> bool:
    """Whether attention of q over k and v, without biases and soft caps, can be had here without masks."""
    channels = q.shape[-1]
    if q.device.type != "cuda" or q.dtype not in FORMATS or os.environ.get(SWITCH) == "0":
        return False
    if channels != v.shape[-1] or channels % 8 or channels > WIDEST:
        return False
    return heads_first(q.device, q.dtype, channels, q.shape[1] != k.shape[1]) is not None


def unmasked_kernel(q: Tensor, k: Tensor, v: Tensor, window: Window, scaling: float) -> tuple[Tensor, Tensor]:
    """`kernels.kernel` for queries that see `window` of these keys, each at least one of them, where it `serves`."""
    out, lse = _packed(q, k, v, window, scaling)
    first = heads_first(q.device, q.dtype, q.shape[-1], q.shape[1] != k.shape[1])
    return out, _by_head(lse, len(q), bool(first))


def _packed(q: Tensor, k: Tensor, v: Tensor, window: Window, scaling: float) -> tuple[Tensor, Tensor]:
    """Output (batch, head, query, channel), and the log-sum-exp as torch lays it out. Of a single row nothing is
    copied."""
    from torch.nn.attention.varlen import AuxRequest, varlen_attn  # registers operations that nobody else needs

    lengths = q.shape[2], k.shape[2]
    rows = (x.transpose(1, 2).flatten(0, 1) for x in (q, k, v))
    ends = (torch.arange(0, len(q) * n + 1, n, dtype=torch.int32, device=q.device) for n in lengths)
    out, lse = varlen_attn(
        *rows, *ends, *lengths, return_aux=AuxRequest(lse=True), scale=scaling, window_size=window,
        enable_gqa=q.shape[1] != k.shape[1],
    )  # fmt: skip
    return out.unflatten(0, (len(q), -1)).transpose(1, 2), lse


def _by_head(lse: Tensor, batch: int, first: bool) -> Tensor:
    """(head, batch * query) or (batch * query, head) -> (batch, head, query)."""
    return lse.unflatten(1, (batch, -1)).transpose(0, 1) if first else lse.unflatten(0, (batch, -1)).transpose(1, 2)


@cache
def heads_first(device: torch.device, dtype: torch.dtype, channels: int, grouped: bool) -> bool | None:
    """Whether heads come before tokens in the log-sum-exp on this device: torch's documentation says no, its fake
    kernel yes. None, and a logged sentence, where the kernel is not what `TRIED` asks of it."""
    try:
        found = _tried(device, dtype, channels, grouped)
    except torch.OutOfMemoryError:
        raise
    except (ImportError, RuntimeError, TypeError, ValueError) as problem:
        found = f"cannot be used: {str(problem).splitlines()[0]}"
    if isinstance(found, bool):
        return found
    of = f"of {str(dtype).removeprefix('torch.')} heads of {channels} channels"
    log.warning("On %s texts are read with masks: varlen_attn %s %s", device, of, found)
    return None


def _tried(device: torch.device, dtype: torch.dtype, channels: int, grouped: bool) -> bool | str:
    """Whether heads come first, or in words how the kernel differs from a masked one in float32 on the CPU."""
    make, key_heads, scaling = torch.Generator().manual_seed(0), 2, channels**-0.5
    heads = key_heads * (3 if grouped else 1)
    first: bool | None = None
    for queries, keys, window in TRIED:
        shapes = ((heads, queries), (key_heads, keys), (key_heads, keys))
        q, k, v = (torch.randn(2, *shape, channels, generator=make).to(dtype) for shape in shapes)
        out, lse = _packed(q.to(device), k.to(device), v.to(device), window, scaling)
        first = lse.shape[0] == heads if first is None else first
        if lse.shape != ((heads, 2 * queries) if first else (2 * queries, heads)):
            return f"returns a log-sum-exp of shape {tuple(lse.shape)}"
        expected, its_lse = kernel(q.float(), k.float(), v.float(), _mask(queries, keys, window), scaling)
        off = float((out.cpu().float() - expected).abs().max())
        lse_off = float((_by_head(lse, 2, first).cpu() - its_lse).abs().max())
        if not (off < 4 * torch.finfo(dtype).eps + 1e-5 and lse_off < 1e-3):  # so that NaN is no match
            return f"is {off:.2g} off for {queries} queries, {keys} keys and {window=}, its log-sum-exp {lse_off:.2g}"
    return bool(first)


def _mask(queries: int, keys: int, window: Window) -> Tensor:
    """What a window hides, as an additive mask (query, key) in float32."""
    ahead = torch.arange(keys) - torch.arange(keys - queries, keys)[:, None]
    hidden = torch.zeros_like(ahead, dtype=torch.bool)
    left, right = window
    if left >= 0:
        hidden |= ahead < -left
    if right >= 0:
        hidden |= ahead > right
    return torch.zeros(queries, keys).masked_fill_(hidden, -torch.inf)
