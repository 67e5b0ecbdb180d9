"""Middle keys fetched by content: they follow from what keys hold, and not from where they are alone."""

from typing import NamedTuple

import torch
from torch import Tensor

from longsight.attention.encoding import Encoding, rotate
from longsight.attention.fast import key_range
from longsight.methods import Retrieval


class FetchedKeys(NamedTuple):
    """Attention of one query to the middle keys that each of its heads fetched."""

    out: Tensor  # (batch, head, 1, channel)
    lse: Tensor  # (batch, head, 1)
    j: Tensor  # (batch, head, top_k) positions
    logits: Tensor  # (batch, head, top_k)


def retrieve(
    q: Tensor, k: Tensor, v: Tensor, i: Tensor, j: Tensor, retrieval: Retrieval, encoding: Encoding, scaling: float,
    softcap: float | None = None,
) -> FetchedKeys | None:  # fmt: skip
    """Attention of one query (batch, head, 1, channel) to its best middle keys, chosen per head; None if none exist.

    `j` ascends: a layer that fetches remembers everything.
    """
    batch, heads, _, channels = q.shape
    middle = key_range(j, retrieval.middle.first(i), retrieval.middle.last(i))
    if middle.start >= middle.stop:
        return None
    groups = heads // k.shape[1]
    distance = torch.full_like(i, retrieval.insert_at)
    turned = rotate(q, encoding.table(distance, q), encoding.interleaved)
    candidates, values = k[:, :, middle], v[:, :, middle]
    scores = turned.reshape(batch, -1, groups, channels) @ candidates.mT * scaling  # (batch, key_head, group, key)
    best, where = scores.topk(min(retrieval.top_k, middle.stop - middle.start), dim=-1)
    if softcap is not None:
        best = softcap * (best / softcap).tanh()
    fetched = torch.gather(
        values[:, :, None].expand(-1, -1, groups, -1, -1), 3, where[..., None].expand(*where.shape, values.shape[-1])
    )  # (batch, key_head, group, top_k, channel)
    out = (best.softmax(-1)[..., None] * fetched).sum(-2)
    logits = best.float().reshape(batch, heads, -1)
    if (bias := encoding.bias(-distance)) is not None:
        logits = logits + bias.to(logits)
    lse = logits.logsumexp(-1, keepdim=True)
    return FetchedKeys(out.reshape(batch, heads, 1, -1), lse, j[middle][where].reshape(batch, heads, -1), logits)
