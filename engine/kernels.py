"""One call of a device's fused attention kernel, with the log-sum-exp that lets its result be merged with others."""

import torch
from torch import Tensor


def kernel(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, scaling: float) -> tuple[Tensor, Tensor]:
    """Fused attention of q over k -> output, and log-sum-exp in float32. The additive mask is (query, key) or
    (head, query, key).

    Heads that share a key head see it through a view of stride zero: keys are never copied per head.
    """
    batch, heads, queries, _ = q.shape
    key_heads = k.shape[1]
    shape = (batch * key_heads, heads // key_heads)
    q = q.reshape(*shape, queries, -1)
    k, v = (x.reshape(shape[0], 1, *x.shape[2:]).expand(-1, shape[1], -1, -1) for x in (k, v))
    if mask is not None and mask.ndim == 3:
        mask = mask.reshape(1, key_heads, shape[1], *mask.shape[1:]).expand(batch, -1, -1, -1, -1).flatten(0, 1)
    out, lse = KERNELS.get(q.device.type, unfused)(q, k, v, mask, scaling)
    return out.reshape(batch, heads, queries, -1), lse.float().reshape(batch, heads, queries)


def _cpu_kernel(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, scaling: float) -> tuple[Tensor, Tensor]:
    return torch.ops.aten._scaled_dot_product_flash_attention_for_cpu(
        q, k, v, 0.0, False, attn_mask=mask, scale=scaling
    )


def _cuda_kernel(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, scaling: float) -> tuple[Tensor, Tensor]:
    biased = mask is not None and mask.ndim == 4  # a single query's biases count from itself, those of many from afar:
    if biased and q.shape[2] > 1 and q.dtype.itemsize < 4:  # neighbours' biases would be the same number in 16 bits
        out, lse = _cuda_kernel(q.float(), k.float(), v.float(), mask, scaling)
        return out.to(q.dtype), lse
    if mask is not None:  # the kernel wants the queries' dtype, and rows that start at multiples of 16 bytes
        padded = q.new_empty(*mask.shape[:-1], -(-mask.shape[-1] // 16) * 16)
        padded[..., : mask.shape[-1]] = mask
        mask = padded[..., : mask.shape[-1]].expand(*q.shape[:3], -1)
    out, lse, _, _ = torch.ops.aten._scaled_dot_product_efficient_attention(
        q, k, v, mask, compute_log_sumexp=True, scale=scaling
    )
    return out, lse[..., : q.shape[2]]


def unfused(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, scaling: float) -> tuple[Tensor, Tensor]:
    """The same in separate steps, for devices without a fused kernel that returns the log-sum-exp."""
    logits = (q @ k.mT).float() * scaling
    if mask is not None:
        logits = logits + mask.float()
    lse = logits.logsumexp(-1)
    return (logits - lse[..., None]).exp().to(v) @ v, lse


KERNELS = {"cpu": _cpu_kernel, "cuda": _cuda_kernel}
"""Kind of device -> its fused kernel: (q, k, v, mask, scaling) -> output and log-sum-exp."""
