"""One call of a device's fused attention kernel, with the log-sum-exp that lets its result be merged with others."""

import torch
from torch import Tensor
from torch.nn import functional

TILE = 16
"""Few keys go to a CPU's kernel as so many, or twice: for many queries, 16 take less than half as long as 10."""

BUDGET = 2**24
"""How many capped logits are held at a time: 64 MiB."""


def kernel(
    q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, scaling: float, softcap: float | None = None
) -> tuple[Tensor, Tensor]:
    """Fused attention of q over k -> output, and log-sum-exp in float32. The additive mask is (query, key),
    (head, query, key), or (head, 1, key) where all queries add the same. With a `softcap`, see `capped`.

    Heads that share a key head see it through a view of stride zero, and so do queries that share a row of the mask:
    nothing is copied per head or per query.
    """
    if softcap is not None:
        return capped(q, k, v, mask, scaling, softcap)
    out, lse = _by_key_head(q.unflatten(1, (k.shape[1], -1)), k, v, mask, scaling)
    return out.flatten(1, 2), lse.flatten(1, 2)


def windowed_kernel(q: Tensor, k: Tensor, v: Tensor, window: tuple[int, int], scaling: float) -> tuple[Tensor, Tensor]:
    """`kernel` on a CPU for queries that see a `window` (`edges.Window`) of these keys, each at least one of them: made
    of triangles, so that a mask is neither made nor read."""
    left, right = window
    if left < 0:
        return _triangle(q, k, v, right == 0, scaling)
    if right < 0:
        q, k, v = _flipped(q, k, v)
        out, lse = _flipped(*_triangle(q, k, v, True, scaling))
        return out, lse
    parts, width = [], left + 1
    for rows in q.split(width, 2):  # the first query sees the first `width` keys, each other one less and one more
        count = rows.shape[2]
        out, lse = windowed_kernel(rows, k[:, :, :width], v[:, :, :width], (width - count, -1), scaling)
        if count > 1:
            own = slice(width, width + count - 1)
            more = _triangle(rows[:, :, 1:], k[:, :, own], v[:, :, own], True, scaling)
            out[:, :, 1:], lse[:, :, 1:] = merge([(out[:, :, 1:], lse[:, :, 1:]), more])
        parts.append((out, lse))
        k, v = k[:, :, count:], v[:, :, count:]
    out, lse = parts[0] if len(parts) == 1 else (torch.cat([part[n] for part in parts], dim=2) for n in (0, 1))
    return out, lse


def _flipped(*given: Tensor) -> list[Tensor]:
    return [x.flip(2) for x in given]


def _triangle(q: Tensor, k: Tensor, v: Tensor, causal: bool, scaling: float) -> tuple[Tensor, Tensor]:
    """For queries that see all keys, or if `causal` all up to their own: the last query's is the last key, and the
    others' are those before it."""
    before, q = k.shape[2] - q.shape[2], q.unflatten(1, (k.shape[1], -1))
    parts = [_by_key_head(q, k[:, :, :before], v[:, :, :before], None, scaling)] if causal and before else []
    own = slice(before if causal else 0, None)
    parts.append(_by_key_head(q, k[:, :, own], v[:, :, own], None, scaling, causal))
    out, lse = merge(parts)
    return out.flatten(1, 2), lse.flatten(1, 2)


def _by_key_head(
    q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, scaling: float, causal: bool = False
) -> tuple[Tensor, Tensor]:
    """`kernel` with the heads that share a key head beside each other: q (batch, key_head, group, query, channel). If
    `causal`, on a CPU, as many queries as keys see those up to their own."""
    batch, key_heads, group, queries, channels = q.shape
    shape_of, shape, wanted = q.shape[:-1], (batch * key_heads, group), v.shape[-1]
    if wanted < channels:  # fused kernels want values as wide as keys
        v = functional.pad(v, (0, channels - wanted))
    q = q.reshape(*shape, queries, -1)
    k, v = (x.reshape(shape[0], 1, *x.shape[2:]).expand(-1, group, -1, -1) for x in (k, v))
    if mask is not None and mask.ndim == 3:
        mask = mask.reshape(1, key_heads, group, *mask.shape[1:]).expand(batch, -1, -1, -1, -1).flatten(0, 1)
        mask = mask.expand(-1, -1, queries, -1)
    if causal:
        out, lse = _cpu_kernel(q, k, v, None, scaling, causal)
    else:
        out, lse = KERNELS.get(q.device.type, unfused)(q, k, v, mask, scaling)
    return out.reshape(*shape_of, -1)[..., :wanted], lse.float().reshape(shape_of)


def one_query_kernel(
    q: Tensor, k: Tensor, v: Tensor, bias: Tensor | None, scaling: float, softcap: float | None = None
) -> tuple[Tensor, Tensor]:
    """`kernel` for a single query that sees all of these keys: q (batch, key_head, group, channel), in which heads that
    share a key head are a group -> the same shape, and log-sum-exp (batch, key_head, group). `bias` is (head, 1, key).

    On a CPU a group goes in as queries, so that keys are read once for all of them.
    """
    if softcap is not None:
        out, lse = capped(q.flatten(1, 2)[:, :, None], k, v, bias, scaling, softcap)
        return out.reshape(*q.shape[:3], -1), lse.reshape(q.shape[:3])
    batch, key_heads, group, channels = q.shape
    few = batch * key_heads < torch.get_num_threads()
    if q.device.type != "cpu" or v.shape[-1] != channels or few:
        out, lse = _by_key_head(q[:, :, :, None], k, v, bias, scaling)
        return out[:, :, :, 0], lse[..., 0]
    return _cpu_kernel(q, k, v, None if bias is None else bias.reshape(1, key_heads, group, -1), scaling)


def _cpu_kernel(
    q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, scaling: float, causal: bool = False
) -> tuple[Tensor, Tensor]:
    missing = -k.shape[2] % TILE
    if mask is None and not causal and missing and k.shape[2] < 2 * TILE < q.shape[2]:
        mask = q.new_zeros(1, k.shape[2] + missing)
        mask[:, k.shape[2] :] = torch.finfo(q.dtype).min / 2
        mask = mask.expand(q.shape[2], -1)
        k, v = (functional.pad(x, (0, 0, 0, missing)) for x in (k, v))
    return torch.ops.aten._scaled_dot_product_flash_attention_for_cpu(
        q, k, v, 0.0, causal, attn_mask=mask, scale=scaling
    )


def _cuda_kernel(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, scaling: float) -> tuple[Tensor, Tensor]:
    asked, channels, dtype = q.dtype, q.shape[-1], q.dtype
    biased = mask is not None and mask.ndim == 4  # a single query's biases count from itself, those of many from afar:
    if biased and q.shape[2] > 1 and dtype.itemsize < 4:  # neighbours' biases would be the same number in 16 bits
        dtype = torch.float32
    if channels % 8 or dtype != asked:  # zeros add nothing to a logit
        q, k, v = (_aligned(x, 8, dtype) for x in (q, k, v))
    if mask is not None:
        mask = _aligned(mask, 16, dtype)[..., : mask.shape[-1]].expand(*q.shape[:3], -1)
    out, lse, _, _ = torch.ops.aten._scaled_dot_product_efficient_attention(
        q, k, v, mask, compute_log_sumexp=True, scale=scaling
    )
    return out[..., :channels].to(asked), lse[..., : q.shape[2]]


def _aligned(x: Tensor, multiple: int, dtype: torch.dtype) -> Tensor:
    """A copy of `x` in `dtype`, its last axis filled with zeros up to a multiple: the kernel's rows begin at 16 bytes.

    Axes along which `x` repeats itself (of stride zero) go on repeating and are not copied out.
    """
    once = x[tuple(slice(1) if stride == 0 else slice(None) for stride in x.stride())]
    filled = x.new_zeros(*once.shape[:-1], -(-x.shape[-1] // multiple) * multiple, dtype=dtype)
    filled[..., : x.shape[-1]] = once
    return filled.expand(*x.shape[:-1], -1)


def unfused(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, scaling: float) -> tuple[Tensor, Tensor]:
    """The same in separate steps, for devices without a fused kernel that returns the log-sum-exp."""
    logits = (q @ k.mT).float() * scaling
    if mask is not None:
        logits = logits + mask.float()
    lse = logits.logsumexp(-1)
    return (logits - lse[..., None]).exp().to(v) @ v, lse


def capped(
    q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, scaling: float, softcap: float
) -> tuple[Tensor, Tensor]:
    """`kernel` over soft-capped logits, `softcap * tanh(logit / softcap)`, to which the mask is added (Gemma 2,
    arXiv 2408.00118, section 2.3).

    No fused kernel caps, so it is done in separate steps, over so many keys at a time that no more than `BUDGET` logits
    are held; they are of float32 at least in every number format, as in fused kernels.
    """
    batch, heads, queries, channels = q.shape
    size = max(1, BUDGET // (batch * heads * queries))
    exact = torch.promote_types(q.dtype, torch.float32)
    rows = q.to(exact).reshape(batch, k.shape[1], -1, channels)  # heads that share keys, as queries of one head
    parts = []
    for start in range(0, k.shape[2], size):
        keys = slice(start, start + size)
        logits = rows @ k[:, :, keys].to(exact).mT
        logits = logits.mul_(scaling / softcap).tanh_().mul_(softcap).reshape(batch, heads, queries, -1)
        if mask is not None:
            logits += mask[..., keys]
        lse = logits.logsumexp(-1)
        weights = (logits - lse[..., None]).exp_().reshape(*rows.shape[:3], -1)
        parts.append(((weights.to(v) @ v[:, :, keys]).reshape(batch, heads, queries, -1), lse))
    out, lse = merge(parts)
    return out, lse.float()


KERNELS = {"cpu": _cpu_kernel, "cuda": _cuda_kernel}
"""Kind of device -> its fused kernel: (q, k, v, mask, scaling) -> output and log-sum-exp."""


def merge(parts: list[tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
    """Attention over a union of disjoint key sets from attention over each."""
    out, lse = parts[0]
    for more, its_lse in parts[1:]:
        out, lse = _both(out, lse, more, its_lse), torch.logaddexp(lse, its_lse)
    return out, lse


def merge_outputs(parts: list[tuple[Tensor, Tensor]]) -> Tensor:
    """`merge` without the log-sum-exp, one operation less."""
    *before, last = parts
    return _both(*merge(before), *last) if before else last[0]


def _both(out: Tensor, lse: Tensor, more: Tensor, its_lse: Tensor) -> Tensor:
    """The first has the weight exp(lse - lse_both), which is the logistic function of the difference of the two."""
    return out.lerp(more, _logistic(its_lse - lse, out)[..., None])


def _logistic(x: Tensor, like: Tensor) -> Tensor:
    """In the number format of `like`, without a step of its own for that."""
    return torch.sigmoid(x, out=torch.empty_like(x, dtype=like.dtype))


def with_sinks(out: Tensor, lse: Tensor, sinks: Tensor) -> tuple[Tensor, Tensor]:
    """Attention with one more logit per head, `sinks` (head,), in its softmax, that stands for no key: learned sinks
    (gpt-oss), which take their share of the weight and give nothing."""
    logit = sinks.to(lse)[:, None]
    return out * _logistic(lse - logit, out)[..., None], torch.logaddexp(lse, logit)
