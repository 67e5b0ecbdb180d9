"""A chunk of tokens on its way through a model: what every layer's attention must know of it, and how it attends."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import torch
from torch import Tensor

from longsight.attention.encoding import Encoding
from longsight.attention.fast import planned
from longsight.attention.forward_only import forward_only
from longsight.attention.kept_layer import KeptLayer
from longsight.attention.kernels import with_sinks
from longsight.attention.kv_cache import Cache
from longsight.attention.layer import Layer
from longsight.attention.observer import AttentionStep, Fetched, Observer
from longsight.attention.one_query import Heard, attend_one_query, plan_one
from longsight.attention.retrieval import FetchingRow
from longsight.attention.transfer import sent
from longsight.methods.fetching import LAST, Retrieval


@dataclass
class Chunk:
    """Consecutive tokens on their way through the model: their positions, and plans that all layers share."""

    layers: tuple[Layer, ...]
    cache: Cache  # with the rule of each layer
    retrieves: bool = False  # whether the last token fetches middle keys
    token_mask: Tensor | None = None  # (batch, token) bool on the CPU, with padding: which tokens so far are real
    observer: Observer | None = None
    logits_to_keep: int = 0  # of how many last tokens the logits are wanted; 0: of all
    reached: set[int] = field(default_factory=set)
    _plans: dict[tuple, Callable] = field(default_factory=dict)

    @torch.compiler.disable  # plans follow from positions, which a compiled graph would make constants
    def attention(
        self, layer: int, q: Tensor, k: Tensor, v: Tensor, scaling: float, sinks: Tensor | None = None
    ) -> Tensor:
        """Attention of this chunk's queries in one layer, with its learned sinks (head,) -> (batch, head, query,
        channel)."""
        self.reached.add(layer)
        with torch.no_grad():
            if self.token_mask is None:
                out = self._whole(layer, q, k, v, scaling, sinks)
            else:
                rows = enumerate(self.token_mask)
                out = torch.cat([self._padded_row(layer, b, mask, q, k, v, scaling, sinks) for b, mask in rows])
        return forward_only(q, out)

    def _whole(self, layer: int, q: Tensor, k: Tensor, v: Tensor, scaling: float, sinks: Tensor | None) -> Tensor:
        """A batch without padding: all rows share one plan.

        What comes out of the last layer goes into the logits of its own token and nowhere else, so there the tokens
        whose logits nobody wants do not attend.
        """
        kept = self._kept(layer)
        if q.shape[2] == 1 and self.cache.turns and k.data_ptr() == kept.keys.data_ptr():
            return self._latest(layer, kept, q, k, v, scaling, sinks)
        i = torch.arange(kept.length - q.shape[2], kept.length)
        rule = self._retrieval(layer)
        together = rule is not None and rule.queries != LAST  # what one fetches depends on the others
        every = together or layer < len(self.cache.layers) - 1
        if every or not 0 < self.logits_to_keep < len(i):
            return self._attend(layer, q, k, v, i, kept.positions, -1, scaling, sinks)
        out = v.new_zeros(*q.shape[:3], v.shape[-1])
        last = slice(-self.logits_to_keep, None)
        out[:, :, last] = self._attend(layer, q[:, :, last], k, v, i[last], kept.positions, -1, scaling, sinks)
        return out

    def _latest(
        self, layer: int, kept: KeptLayer, q: Tensor, k: Tensor, v: Tensor, scaling: float, sinks: Tensor | None
    ) -> Tensor:
        """A single token over keys as they lie in the cache."""
        method, known = self.cache.rules[layer], self.layers[layer]
        key = (kept.starting, kept.window, method, id(known.encoding), q.device)
        if key not in self._plans:
            heard = Heard(method, known.encoding, self.cache.text)
            self._plans[key] = partial(attend_one_query, plan=plan_one(kept, heard, q))
        if known.query_scale is not None:
            q = q * sent(known.query_scale(torch.tensor([kept.length - 1])), q.device, q.dtype)[:, None]
        out, lse = self._plans[key](q, kept, scaling=scaling, softcap=known.softcap)
        if self.observer is None and self._retrieval(layer) is None:  # nobody asks where the keys stand
            return out if sinks is None else with_sinks(out, lse, sinks)[0]
        i = torch.tensor([kept.length - 1])
        return self._finished(layer, q, k, v, i, kept.positions, out, lse, scaling, sinks)

    def _padded_row(
        self, layer: int, b: int, token_mask: Tensor, q: Tensor, k: Tensor, v: Tensor, scaling: float,
        sinks: Tensor | None,
    ) -> Tensor:  # fmt: skip
        """One row of a padded batch: pads are taken out, so that its tokens stand where they would stand alone."""
        rows = slice(b, b + 1)
        keys, queries = (mask.nonzero()[:, 0] for mask in (token_mask, token_mask[-q.shape[2] :]))
        i, j = torch.arange(len(keys) - len(queries), len(keys)), torch.arange(len(keys), device=q.device)
        out = v.new_zeros(1, *q.shape[1:3], v.shape[-1])
        if len(queries):
            keys, queries = sent(keys, q.device), sent(queries, q.device)
            q, k, v = q[rows][:, :, queries], k[rows][:, :, keys], v[rows][:, :, keys]
            out[:, :, queries] = self._attend(layer, q, k, v, i, j, b, scaling, sinks)
        return out

    def _attend(
        self, layer: int, q: Tensor, k: Tensor, v: Tensor, i: Tensor, j: Tensor, row: int, scaling: float,
        sinks: Tensor | None,
    ) -> Tensor:  # fmt: skip
        """Attention of queries at `i`, on the CPU, to keys at `j`, run by run where the method's frequencies change."""
        method, known = self.cache.rules[layer], self.layers[layer]
        encoding = known.encoding.for_text(self.cache.text if row < 0 else len(j))
        if known.query_scale is not None:
            q = q * sent(known.query_scale(i), q.device, q.dtype)[:, None]
        slices = self._kept(layer).slices if row < 0 else lambda first, last: [slice(first, last)] * (first < last)
        parts = []
        for run in method.runs(i):
            key = (row, run.start, len(i), len(j), q.device, id(known.encoding), method)  # equal keys: equal positions
            if key not in self._plans:
                here = encoding.under(method, method.length_at(i[run.start]))
                self._plans[key] = planned(i[run], j, slices if len(i) == 1 else None, method, here, q)
            parts.append(self._plans[key](q[:, :, run], k, v, scaling=scaling, softcap=known.softcap))
        out, lse = parts[0] if len(parts) == 1 else (torch.cat([p[n] for p in parts], dim=2) for n in (0, 1))
        return self._finished(layer, q, k, v, i, j, out, lse, scaling, sinks, row)

    def _retrieval(self, layer: int) -> Retrieval | None:
        """How this layer fetches for some of these tokens, if it does."""
        rule = self.cache.rules[layer].retrieval_in(layer)
        return rule if rule is not None and (self.retrieves or rule.queries != LAST) else None

    def _finished(
        self, layer: int, q: Tensor, k: Tensor, v: Tensor, i: Tensor, j: Tensor, out: Tensor, lse: Tensor,
        scaling: float, sinks: Tensor | None, row: int = -1,
    ) -> Tensor:  # fmt: skip
        """What was attended to, with what is fetched and learned sinks; the observer is told."""
        method, known, fetched = self.cache.rules[layer], self.layers[layer], []
        encoding = known.encoding.for_text(self.cache.text if row < 0 else len(j))
        keys, values = self._kept(layer).whole(k, v)
        if (rule := self._retrieval(layer)) is not None:
            scale = method.logit_scale(i)
            asking = q if scale is None else q * sent(scale, q.device, q.dtype)[:, None]
            for b in range(len(q)):
                reader = self._reader(layer, b if row < 0 else row, rule, encoding, scaling, sinks)
                fetched = reader.read(asking[b], keys[b], values[b], i, out[b], lse[b])
        if sinks is not None:
            out, _ = with_sinks(out, lse, sinks)
        if self.observer is not None:
            found = tuple(Fetched(rows, each.j, each.distance, each.logits(keys[0])) for rows, each in fetched)
            at = sent(i, j.device)
            self.observer.attention(
                AttentionStep(layer, method, encoding, scaling, q[0], k[0], at, j, found, sinks, known.softcap)
            )
        return out

    def _reader(
        self, layer: int, row: int, rule: Retrieval, encoding: Encoding, scaling: float, sinks: Tensor | None
    ) -> FetchingRow:
        """One row of the batch, with what the layer remembers of its blocks."""
        memories = self._kept(layer).memories
        return FetchingRow(rule, encoding, scaling, self.layers[layer].softcap, sinks, memories, (layer, row))

    def _kept(self, layer: int) -> KeptLayer:
        """What is stored of the keys that a layer uses."""
        source = self.layers[layer].keys_of
        return self.cache.layers[layer if source is None else source]
