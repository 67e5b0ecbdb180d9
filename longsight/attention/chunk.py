"""A chunk of tokens on its way through a model: what every layer's attention must know of it, and how it attends."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import torch
from torch import Tensor

from longsight.attention.block_memory import Hearing, KnownPositions
from longsight.attention.encoding import Encoding
from longsight.attention.fast import needs_no_masks, planned
from longsight.attention.forward_only import forward_only
from longsight.attention.kept_layer import KeptLayer
from longsight.attention.kernels import with_sinks
from longsight.attention.kv_cache import Cache
from longsight.attention.layer import Layer
from longsight.attention.observer import AttentionStep, Fetched, Observer, joined_steps
from longsight.attention.one_query import Heard, attend_one_query, plan_one
from longsight.attention.retrieval import FetchingRow
from longsight.attention.split_layer import SplitLayer
from longsight.attention.transfer import sent
from longsight.methods import Method
from longsight.methods.fetching import LAST, Retrieval


@dataclass(frozen=True)
class AttendingHeads:
    """Heads of one layer that follow one `rule`, under most methods all of them: what is kept for them, how they hear
    positions, their learned `sinks` (head,), and whom their attention is shown to."""

    layer: int
    rule: Method
    kept: KeptLayer
    encoding: Encoding
    scaling: float
    sinks: Tensor | None
    show: Callable[[AttentionStep], None] | None


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
    _known: KnownPositions = field(default_factory=KnownPositions)
    _encodings: dict[tuple[int, tuple[int, ...]], Encoding] = field(default_factory=dict)
    """Those of some heads, by the object that is all heads' and by which they are."""

    @torch.compiler.disable  # plans follow from positions, which a compiled graph would make constants
    def attention(
        self, layer: int, q: Tensor, k: Tensor, v: Tensor, scaling: float, sinks: Tensor | None = None
    ) -> Tensor:
        """Attention of this chunk's queries in one layer, with its learned sinks (head,) -> (batch, head, query,
        channel)."""
        self.reached.add(layer)
        kept, rule, encoding = self._kept(layer), self.cache.rules[layer], self.layers[layer].encoding
        show = None if self.observer is None else self.observer.attention
        with torch.no_grad():
            if isinstance(kept, SplitLayer):
                out = self._by_group(layer, kept, q, v.shape[-1], scaling, sinks)
            else:
                out = self._attended(AttendingHeads(layer, rule, kept, encoding, scaling, sinks, show), q, k, v)
        return forward_only(q, out)

    def _by_group(
        self, layer: int, kept: SplitLayer, q: Tensor, channels: int, scaling: float, sinks: Tensor | None
    ) -> Tensor:
        """Heads that follow rules of their own, one group after the other, each over what is kept for it."""
        out, whole, rule = q.new_empty(*q.shape[:3], channels), self.layers[layer].encoding, self.cache.rules[layer]
        steps: list[AttentionStep] = []
        each = q.shape[1] // kept.heads
        for part, group in zip(kept.parts, rule.head_groups, strict=True):
            asking, name = part.places(each, q.device), (id(whole), part.heads)
            if name not in self._encodings:
                self._encodings[name] = whole.of_heads(part.queries(each))
            show = None if self.observer is None else steps.append
            encoding, own = self._encodings[name], None if sinks is None else sinks[asking]
            heads = AttendingHeads(layer, group.rule, part.kept, encoding, scaling, own, show)
            k, v = part.taken()
            out[:, asking] = self._attended(heads, q[:, asking], k, v)
        if self.observer is not None:
            self.observer.attention(joined_steps(rule, steps, [part.queries(each) for part in kept.parts], sinks))
        source = self.layers[layer].keys_of
        source = layer if source is None else source
        if not any(other.keys_of == source for other in self.layers[layer + 1 :]):
            kept.release()
        return out

    def _attended(self, heads: AttendingHeads, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """What the queries of some heads see of the keys `k` and values `v` that are kept for them."""
        if self.token_mask is None:
            return self._whole(heads, q, k, v)
        rows = enumerate(self.token_mask)
        return torch.cat([self._padded_row(heads, b, mask, q, k, v) for b, mask in rows])

    def _whole(self, heads: AttendingHeads, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """A batch without padding: all rows share one plan.

        What comes out of the last layer goes into the logits of its own token and nowhere else, so there the tokens
        whose logits nobody wants do not attend.
        """
        kept = heads.kept
        if q.shape[2] == 1 and self.cache.turns and k.data_ptr() == kept.keys.data_ptr():
            return self._latest(heads, q, k, v)
        i = torch.arange(kept.length - q.shape[2], kept.length)
        rule = self._retrieval(heads)
        together = rule is not None and rule.queries != LAST  # what one fetches depends on the others
        every = together or heads.layer < len(self.cache.layers) - 1
        if every or not 0 < self.logits_to_keep < len(i):
            return self._attend(heads, q, k, v, i, kept.positions)
        out = v.new_zeros(*q.shape[:3], v.shape[-1])
        last = slice(-self.logits_to_keep, None)
        out[:, :, last] = self._attend(heads, q[:, :, last], k, v, i[last], kept.positions)
        return out

    def _latest(self, heads: AttendingHeads, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """A single token over keys as they lie in the cache."""
        kept, rule, known = heads.kept, heads.rule, self.layers[heads.layer]
        key = (kept.starting, kept.window, rule, id(heads.encoding), q.device)
        if key not in self._plans:
            heard = Heard(rule, heads.encoding, self.cache.text)
            self._plans[key] = partial(attend_one_query, plan=plan_one(kept, heard, q))
        if known.query_scale is not None:
            q = q * sent(known.query_scale(kept.latest), q.device, q.dtype)[:, None]
        alone = heads.show is None and self._retrieval(heads) is None  # nobody asks where the keys stand
        sums = not alone or heads.sinks is not None
        out, lse = self._plans[key](q, kept, scaling=heads.scaling, softcap=known.softcap, sums=sums)
        if alone:
            return out if heads.sinks is None else with_sinks(out, lse, heads.sinks)[0]
        i = torch.tensor([kept.length - 1])
        return self._finished(heads, q, k, v, i, kept.positions, out, lse)

    def _padded_row(self, heads: AttendingHeads, b: int, token_mask: Tensor, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """One row of a padded batch: pads are taken out, so that its tokens stand where they would stand alone."""
        rows = slice(b, b + 1)
        keys, queries = (mask.nonzero()[:, 0] for mask in (token_mask, token_mask[-q.shape[2] :]))
        i, j = torch.arange(len(keys) - len(queries), len(keys)), torch.arange(len(keys), device=q.device)
        out = v.new_zeros(1, *q.shape[1:3], v.shape[-1])
        if len(queries):
            keys, queries = sent(keys, q.device), sent(queries, q.device)
            q, k, v = q[rows][:, :, queries], k[rows][:, :, keys], v[rows][:, :, keys]
            out[:, :, queries] = self._attend(heads, q, k, v, i, j, b)
        return out

    def _attend(
        self, heads: AttendingHeads, q: Tensor, k: Tensor, v: Tensor, i: Tensor, j: Tensor, row: int = -1
    ) -> Tensor:
        """Attention of queries at `i`, on the CPU, to keys at `j`, run by run where the method's frequencies change."""
        rule, known = heads.rule, self.layers[heads.layer]
        encoding = heads.encoding.for_text(self.cache.text if row < 0 else len(j))
        if known.query_scale is not None:
            q = q * sent(known.query_scale(i), q.device, q.dtype)[:, None]
        slices = heads.kept.slices if row < 0 else lambda first, last: [slice(first, last)] * (first < last)
        unmasked = encoding.kind != "alibi" and known.softcap is None and len(i) > 1 and needs_no_masks(q, k, v)
        parts = []
        for run in rule.runs(i):  # equal keys: equal positions
            key = (row, run.start, len(i), len(j), q.device, id(heads.encoding), rule, unmasked)
            if key not in self._plans:
                here = encoding.under(rule, rule.length_at(i[run.start]))
                self._plans[key] = planned(i[run], j, slices if len(i) == 1 else None, rule, here, q, unmasked)
            parts.append(self._plans[key](q[:, :, run], k, v, scaling=heads.scaling, softcap=known.softcap))
        out, lse = parts[0] if len(parts) == 1 else (torch.cat([p[n] for p in parts], dim=2) for n in (0, 1))
        return self._finished(heads, q, k, v, i, j, out, lse, row)

    def _retrieval(self, heads: AttendingHeads) -> Retrieval | None:
        """How these heads fetch for some of these tokens, if they do."""
        rule = heads.rule.retrieval_in(heads.layer)
        return rule if rule is not None and (self.retrieves or rule.queries != LAST) else None

    def _finished(
        self, heads: AttendingHeads, q: Tensor, k: Tensor, v: Tensor, i: Tensor, j: Tensor, out: Tensor, lse: Tensor,
        row: int = -1,
    ) -> Tensor:  # fmt: skip
        """What was attended to, with what is fetched and learned sinks; the observer is told."""
        layer, softcap, fetched = heads.layer, self.layers[heads.layer].softcap, []
        encoding = heads.encoding.for_text(self.cache.text if row < 0 else len(j))
        if (rule := self._retrieval(heads)) is not None:
            keys, values = heads.kept.whole(k, v)
            scale = heads.rule.logit_scale(i)
            asking = q if scale is None else q * sent(scale, q.device, q.dtype)[:, None]
            hearing = Hearing(encoding, heads.scaling, softcap, self._known)
            for b in range(len(q)):
                name, memories = (layer, b if row < 0 else row), heads.kept.memories
                reader = FetchingRow(rule, hearing, heads.sinks, memories, name)
                fetched = reader.read(asking[b], keys[b], values[b], i, out[b], lse[b])
        if heads.sinks is not None:
            out, _ = with_sinks(out, lse, heads.sinks)
        if heads.show is not None:
            found = tuple(Fetched(rows, each.j, each.distance, each.logits(keys[0])) for rows, each in fetched)
            at = sent(i, j.device)
            heads.show(
                AttentionStep(
                    layer, heads.rule, encoding, heads.scaling, q[0], k[0], at, j, found, heads.sinks, softcap
                )
            )
        return out

    def _kept(self, layer: int) -> KeptLayer | SplitLayer:
        """What is stored of the keys that a layer uses."""
        source = self.layers[layer].keys_of
        return self.cache.layers[layer if source is None else source]
