"""Attention by its definition: every logit from the method's own rule, one softmax. It is the law.

`fast.py`, `one_query.py` and `retrieval.py` are what runs, and are proven equal to it.

Shapes: q (batch, head, query, channel); k, v (batch, key_head, key, channel), where `head` is a multiple of `key_head`;
i (query,) and j (key,) int64 positions; sinks (head,). With a softcap c every logit x becomes c * tanh(x / c);
with a query_scale the query at position i is multiplied by query_scale(i).

A layer with a window of its own is one under the method Window (see `layer.py`), whatever method was asked for.
"""

import torch
from torch import Tensor

from longsight.attention.encoding import Encoding
from longsight.attention.layer import QueryScale
from longsight.methods import Method


def plain(
    q: Tensor, k: Tensor, v: Tensor, i: Tensor, j: Tensor, method: Method, encoding: Encoding, *, scaling: float,
    layer: int = 0, retrieves: bool = False, sinks: Tensor | None = None, softcap: float | None = None,
    query_scale: QueryScale | None = None,
) -> Tensor:  # fmt: skip
    """The definition: every logit from `visible` and `distance`, one softmax -> (batch, head, query, channel)."""
    k, v = (x.repeat_interleave(q.shape[1] // k.shape[1], dim=1) for x in (k, v))
    if query_scale is not None:
        q = q * query_scale(i)[:, None].to(q)
    rows = []
    for run in method.runs(i):
        here = encoding.under(method, method.length_at(i[run.start]))
        query, key, asking = i[run][:, None], j[None, :], q[:, :, run]
        if (scale := method.logit_scale(query)) is not None:
            asking = asking * scale.to(asking)
        logits = _capped(here.logits(asking, k, method.distance(query, key), scaling), softcap)
        rows.append(logits.masked_fill(~method.visible(query, key), -torch.inf))
    logits, asking = torch.cat(rows, dim=2), asking[:, :, -1:]
    retrieval = method.retrieval
    if retrieves and retrieval is not None and layer >= retrieval.from_layer:
        fetched = encoding.logits(asking, k, torch.full((1, len(j)), retrieval.insert_at), scaling)
        fetched = fetched.masked_fill(~retrieval.middle(i[-1:, None], j[None, :]), -torch.inf)
        best = fetched.topk(min(retrieval.top_k, fetched.shape[-1])).indices
        chosen = torch.zeros_like(fetched, dtype=torch.bool).scatter(-1, best, True) & fetched.isfinite()
        logits[:, :, -1:] = torch.where(chosen, _capped(fetched, softcap), logits[:, :, -1:])
    if sinks is not None:  # one more logit per head, of no key
        logits = torch.cat((logits, sinks[None, :, None, None].to(logits).expand(*logits.shape[:3], 1)), dim=-1)
    return logits.softmax(-1)[..., : len(j)] @ v


def _capped(logits: Tensor, softcap: float | None) -> Tensor:
    return logits if softcap is None else softcap * (logits / softcap).tanh()
