"""Effective distances under methods that slow the rotations of RoPE instead of changing distances."""

import torch

from longsight.methods import Method

ORDINARY_FREQUENCIES = 10000.0 ** (-torch.arange(0, 64, 2, dtype=torch.float64) / 64)
"""RoPE's frequencies [radians per token] for 64 channels (Su et al. 2021, arXiv 2104.09864, section 3.2.2)."""


def slowest_rotation(method: Method, query: torch.Tensor) -> torch.Tensor:
    """The factor on the slowest rotation of queries (query, 1) -> (query, 1) float64; 1 where none changes."""
    each = method.lengths(query.flatten())
    lengths = torch.zeros_like(query) if each is None else each.reshape(query.shape)
    known, places = lengths.unique(return_inverse=True)
    slowed = [method.inv_freq(ORDINARY_FREQUENCIES, length)[-1] for length in known.tolist()]
    return (torch.stack(slowed) / ORDINARY_FREQUENCIES[-1])[places]
