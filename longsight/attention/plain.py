"""Attention by its definition: every logit from the method's own rule, one softmax. It is the law.

`fast.py`, `one_query.py` and `retrieval.py` are what runs, and are proven equal to it.

Shapes: q (batch, head, query, channel); k, v (batch, key_head, key, channel), where `head` is a multiple of `key_head`;
i (query,) and j (key,) int64 positions; sinks (head,). With a softcap c every logit x becomes c * tanh(x / c);
with a query_scale the query at position i is multiplied by query_scale(i).

A layer with a window of its own is one under the method Window (see `layer.py`), whatever method was asked for.
"""

from typing import Any

import torch
from torch import Tensor

from longsight.attention.encoding import Encoding
from longsight.attention.layer import QueryScale
from longsight.attention.plain_retrieval import blocks, fetched
from longsight.methods import Method


def plain(
    q: Tensor, k: Tensor, v: Tensor, i: Tensor, j: Tensor, method: Method, encoding: Encoding, *, scaling: float,
    layer: int = 0, retrieves: bool = False, sinks: Tensor | None = None, softcap: float | None = None,
    query_scale: QueryScale | None = None, ends: tuple[int, ...] = (),
) -> Tensor:  # fmt: skip
    """The definition: every logit from `visible` and `distance`, one softmax -> (batch, head, query, channel).

    Queries that fetch together are told apart where reading ended before the positions `ends`. In a layer whose heads
    follow rules of their own they are asked one by one, and fetch nothing.
    """
    if method.head_groups:
        return _head_by_head(
            q, k, v, i, j, method, encoding, sinks, scaling=scaling, softcap=softcap, query_scale=query_scale
        )
    k, v = (x.repeat_interleave(q.shape[1] // k.shape[1], dim=1) for x in (k, v))
    if query_scale is not None:
        q = q * query_scale(i)[:, None].to(q)
    rows, asked = [], []
    for run in method.runs(i):
        here = encoding.under(method, method.length_at(i[run.start]))
        query, key, asking = i[run][:, None], j[None, :], q[:, :, run]
        if (scale := method.logit_scale(query)) is not None:
            asking = asking * scale.to(asking)
        asked.append(asking)
        logits = _capped(here.logits(asking, k, method.distance(query, key), scaling), softcap)
        rows.append(logits.masked_fill(~method.visible(query, key), -torch.inf))
    logits, rule = torch.cat(rows, dim=2), method.retrieval_in(layer)
    scores = torch.cat(asked, dim=2)
    if sinks is not None:  # one more logit per head, of no key
        logits = torch.cat((logits, sinks[None, :, None, None].to(logits).expand(*logits.shape[:3], 1)), dim=-1)
    weights = logits.softmax(-1)[..., : len(j)]
    if rule is not None:
        for part in blocks(rule, i, retrieves, ends):
            query, asking, before = i[part], scores[:, :, part], slice(part.start)
            chosen, told = fetched(rule, asking, k, query, j, encoding, weights[:, :, before], i[before])
            told = told.expand(len(q), 1, len(query), len(j))
            found = torch.cat(
                [encoding.logits(asking[b : b + 1], k[b : b + 1], told[b, 0], scaling) for b in range(len(q))]
            )
            logits[:, :, part, : len(j)] = torch.where(chosen, _capped(found, softcap), logits[:, :, part, : len(j)])
            weights[:, :, part] = logits[:, :, part].softmax(-1)[..., : len(j)]
    return weights @ v


def _capped(logits: Tensor, softcap: float | None) -> Tensor:
    return logits if softcap is None else softcap * (logits / softcap).tanh()


def _head_by_head(
    q: Tensor, k: Tensor, v: Tensor, i: Tensor, j: Tensor, method: Method, encoding: Encoding, sinks: Tensor | None,
    **more: Any,
) -> Tensor:  # fmt: skip
    rules = {head: rule for rule, heads in method.head_groups for head in heads}
    rows = []
    for head, asking in enumerate(torch.arange(q.shape[1]).chunk(k.shape[1])):
        keys, own = slice(head, head + 1), None if sinks is None else sinks[asking]
        here = encoding.of_heads(asking.tolist())
        rows.append(plain(q[:, asking], k[:, keys], v[:, keys], i, j, rules[head], here, sinks=own, **more))
    return torch.cat(rows, dim=1)
