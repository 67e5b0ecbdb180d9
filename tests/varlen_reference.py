"""What CUDA does for `torch.nn.attention.varlen.varlen_attn`: its flash kernels' contract, in plain steps.

After `mha_varlen_fwd` of torch's `flash_api.cpp`: formats, strides, int32 offsets, windows aligned at the bottom right
that are dropped where they are as wide as the keys, a log-sum-exp (head, token) in float32 without padding, and for a
query that sees nothing the output 0 and an infinite log-sum-exp, with which nothing can be merged.
"""

from itertools import pairwise

import torch
from torch import Tensor

FORMATS = [torch.float16, torch.bfloat16]
"""A test may add to it what no kernel has, to tell a wrong window from rounding."""


def visible(queries: int, keys: int, is_causal: bool, window: list[int]) -> Tensor:
    """Which of the keys of its sequence each query sees, (query, key)."""
    left, right = (-1 if side >= keys else side for side in window)
    if is_causal and queries > 1:
        right = 0
    if is_causal and queries == 1:
        right = -1
    places = torch.arange(queries)[:, None] + keys - queries
    j = torch.arange(keys)
    return ((left < 0) | (j >= places - left)) & ((right < 0) | (j <= places + right))


def flash_attention(
    q: Tensor, k: Tensor, v: Tensor, q_ends: Tensor, k_ends: Tensor, max_q: int, max_k: int, is_causal: bool = False,
    scale: float | None = None, window_size: list[int] | None = None, enable_gqa: bool = False, *_: None,
) -> tuple[Tensor, Tensor, Tensor]:  # fmt: skip
    """q (token, head, channel), k and v (token, key_head, channel), sequences packed between the ends (sequence + 1,)
    -> output, log-sum-exp (head, token), and a state of random numbers that nobody needs."""
    assert q.dtype in FORMATS, "FlashAttention only support fp16 and bf16 data type"
    assert q.dtype == k.dtype == v.dtype
    assert q.shape[2] == k.shape[2] == v.shape[2]
    assert k.shape == v.shape
    assert q.shape[2] % 8 == 0
    assert q.shape[2] <= 256
    assert q.shape[1] % k.shape[1] == 0
    assert enable_gqa or q.shape[1] == k.shape[1]
    for x in (q, k, v):
        assert x.stride(-1) == 1
        assert x.data_ptr() % 16 == 0
        assert all(x.shape[n] == 1 or x.stride(n) * x.element_size() % 16 == 0 for n in (0, 1))
    for ends, x, longest in ((q_ends, q, max_q), (k_ends, k, max_k)):
        assert ends.dtype == torch.int32
        assert ends.is_contiguous()
        assert int(ends[-1]) == len(x)
        assert int(ends.diff().max()) == longest
    out, lse = torch.empty_like(q), torch.empty(q.shape[1], len(q))
    scale = q.shape[2] ** -0.5 if scale is None else scale
    for (a, b), (c, d) in zip(pairwise(q_ends.tolist()), pairwise(k_ends.tolist()), strict=True):
        asked = q[a:b].float().unflatten(1, (k.shape[1], -1))  # heads that share keys stand beside each other
        logits = torch.einsum("qhgc,khc->hgqk", asked, k[c:d].float()) * scale
        logits = logits.masked_fill(~visible(b - a, d - c, is_causal, window_size or [-1, -1]), -torch.inf)
        sums = logits.logsumexp(-1)
        weights = (logits - sums[..., None]).exp().nan_to_num(0.0)
        out[a:b] = torch.einsum("hgqk,khc->qhgc", weights.to(v).float(), v[c:d].float()).flatten(1, 2).to(q)
        lse[:, a:b] = sums.masked_fill(sums == -torch.inf, torch.inf).flatten(0, 1)
    return out, lse, torch.zeros(2, dtype=torch.uint64)


def tokens_first(*args: object) -> tuple[Tensor, Tensor, Tensor]:
    """The same, with the log-sum-exp as torch's documentation has it: (token, head)."""
    out, lse, state = flash_attention(*args)  # type: ignore[arg-type]
    return out, lse.T.contiguous(), state
