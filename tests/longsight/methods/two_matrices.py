"""ReRoPE as its author computes it: two matrices of logits, chosen between by distance; in float64, written anew."""

import math

import torch

from longsight.attention.plain import plain
from longsight.attention.rope import Rotary

N, CHANNELS, LENGTH, WINDOW = 60, 8, 32, 12
THETA = 1e4 ** (-torch.arange(0, CHANNELS, 2, dtype=torch.float64) / CHANNELS)


def turned(x, positions):
    """Rotate channel pairs (f, f + half) as complex numbers."""
    z = torch.complex(x[..., : CHANNELS // 2], x[..., CHANNELS // 2 :])
    return z * torch.exp(1j * positions[:, None] * THETA)


def logits(q, k):
    return torch.einsum("bhic,bhjc->bhij", q, k.conj()).real / math.sqrt(CHANNELS)


def attention(q, k, v, near, far, scale):
    """softmax over `near` where d < WINDOW, over `far` elsewhere, rows multiplied by `scale`."""
    d = torch.arange(N)[:, None] - torch.arange(N)[None]
    chosen = torch.where(d < WINDOW, near, far) * scale[:, None]
    return chosen.masked_fill(d < 0, -torch.inf).softmax(-1) @ v


def heads():
    """Random queries, keys and values (batch, head, token, channel)."""
    make = torch.Generator().manual_seed(0)
    return tuple(torch.randn(1, 2, N, CHANNELS, generator=make, dtype=torch.float64) for _ in range(3))


def ours(heads, method):
    i = torch.arange(N)
    return plain(*heads, i, i, method, Rotary(THETA), scaling=CHANNELS**-0.5)


def author_scale():
    """`((position_ids + 1).log() / log(training_length)).clip(1)`."""
    return torch.tensor([max(1.0, math.log(i + 1) / math.log(LENGTH)) for i in range(N)], dtype=torch.float64)
