"""A block of attention as probes see it: logits and weights of a few queries over every key that they see."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from longsight.attention.observer import AttentionStep, Block, Fetched

FAR_BELOW = -1e30
"""Below every logit, and finite."""

OWN_POSITION = -1
"""The position of a column of fetched keys: there each head has a key of its own."""


@dataclass(frozen=True, eq=False)
class AttentionWeights:
    """One layer's attention of consecutive measured queries. Fetched keys stand in the last columns.

    `rows` says which of the measured queries these are; `i` (query,) and `j` (key,) positions; `distance` (query, key)
    what the model is told, at the slowest rotation; `logits` (head, query, key), -inf where hidden; `fetched`
    (head, key) positions of the fetched keys, None where there are none. Learned `sinks` (head,) are one more outcome
    of the softmax, of no key: with them the weights of keys sum to less than 1. Unless heads are `alike`, keys have a
    column for each group of heads that follows a rule of its own.

    What follows from them is computed when first asked for, and shared by all probes.
    """

    layer: int
    rows: slice
    i: Tensor
    j: Tensor
    distance: Tensor
    logits: Tensor
    fetched: Tensor | None = None
    sinks: Tensor | None = None
    alike: bool = True

    @property
    def ordinary(self) -> int:
        """How many columns come before the fetched keys."""
        return self.logits.shape[-1] - (0 if self.fetched is None else self.fetched.shape[-1])

    @cached_property
    def visible(self) -> Tensor:
        """(query, key) bool; of ordinary keys, which all heads see alike, or to the head that sees most, and of fetched
        ones to the first."""
        return self.logits[0 if self.alike else int(self._counts.sum(-1).argmax())] != -torch.inf

    def visible_to(self, heads: Sequence[int]) -> Tensor:
        """(head or 1, query, key) bool; whether these heads see ordinary keys."""
        ordinary = slice(0, self.ordinary)
        return self.visible[None, :, ordinary] if self.alike else self.logits[list(heads), :, ordinary] != -torch.inf

    @cached_property
    def count(self) -> Tensor:
        """(query,) number of visible keys, fetched ones included; of the head that sees most."""
        return self._counts.amax(0)

    @cached_property
    def _counts(self) -> Tensor:
        """(head or 1, query)"""
        return self._one_where_visible.sum(-1).long()

    @cached_property
    def _one_where_visible(self) -> Tensor:
        """(head or 1, query, key): heads with rules of their own differ, and those that fetch may in what."""
        own = self.fetched is not None and bool((self.logits[:, :, self.ordinary :] == -torch.inf).any())
        own = own or not self.alike
        return (self.logits != -torch.inf if own else self.visible[None]).to(self.logits)

    @cached_property
    def _shown(self) -> Tensor:
        """(head, query, key) logits, 0 where hidden; several times faster than filling by a mask of fewer axes."""
        return self.logits.clamp(min=FAR_BELOW).mul_(self._one_where_visible)

    @cached_property
    def largest(self) -> Tensor:
        """(head, query) largest |logit|."""
        return torch.maximum(self._shown.amax(-1), -self._shown.amin(-1))

    @cached_property
    def mean(self) -> Tensor:
        """(head, query) mean logit over visible keys."""
        return self._shown.sum(-1) / self._counts

    @cached_property
    def _centred(self) -> Tensor:
        """(head, query, key) logits minus their mean, 0 where hidden."""
        return (self._shown - self.mean[..., None]).mul_(self._one_where_visible)

    @cached_property
    def spread(self) -> Tensor:
        """(head, query) standard deviation of the logits over visible keys."""
        return torch.linalg.vector_norm(self._centred, dim=-1) / self._counts.sqrt()

    @cached_property
    def _exponentials(self) -> tuple[Tensor, Tensor, Tensor]:
        """exp(logit - largest logit of the row), their sum (head, query, 1), the largest logit; a sink's included."""
        top = self.logits.amax(-1, keepdim=True)
        if self._sink is not None:
            top = torch.maximum(top, self._sink)
        exponentials = (self.logits - top).exp_()
        total = exponentials.sum(-1, keepdim=True)
        return exponentials, total if self._sink is None else total + (self._sink - top).exp(), top

    @property
    def _sink(self) -> Tensor | None:
        """(head, 1, 1) the logit of no key."""
        return None if self.sinks is None else self.sinks.to(self.logits)[:, None, None]

    @cached_property
    def entropy(self) -> Tensor:
        """(head, query) entropy of the weights [nats]: ln(sum of exp) minus the mean logit under the weights.

        Both are taken relative to the row's mean logit, so that large logits cost no digits.
        """
        exponentials, total, top = self._exponentials
        expected = torch.linalg.vecdot(exponentials, self._centred)
        if self._sink is not None:
            sink = self._sink[..., 0]
            expected = expected + (sink - top[..., 0]).exp() * (sink - self.mean)
        expected = expected / total[..., 0]
        return (total.log() + top)[..., 0] - self.mean - expected

    @cached_property
    def weights(self) -> Tensor:
        """(head, query, key) attention weights; they sum to 1 along keys, with what a sink takes."""
        exponentials, total, _ = self._exponentials
        return exponentials / total

    def over_queries(self, groups: Tensor) -> Tensor:
        """(head, group, key) attention weights, summed over the queries of each group; `groups` (query, group)."""
        exponentials, total, _ = self._exponentials
        return (groups[None] / total).mT @ exponentials

    def expected(self, features: Tensor) -> Tensor:
        """(head, query, feature) the mean of `features` (query, feature, key) under the attention weights."""
        exponentials, total, _ = self._exponentials
        return torch.einsum("hqk,qfk->hqf", exponentials, features) / total

    def over_heads(self) -> Tensor:
        """(query, key) attention weights, summed over heads."""
        exponentials, total, _ = self._exponentials
        return torch.einsum("hqk,hq->qk", exponentials, 1 / total[..., 0])


def last_query(step: AttentionStep) -> AttentionWeights:
    """The view of a step's last query, with what it fetched."""
    last = len(step.i) - 1
    (block,) = step.blocks(rows=slice(last, None))
    fetched = step.parts[-1][1]
    return make_view(step.layer, 0, block, None, None if fetched is None else fetched.of(torch.tensor([last])))


def make_view(layer: int, first: int, block: Block, slowed: Tensor | None, fetched: Fetched | None) -> AttentionWeights:
    """The view of `block`, whose queries are the measured ones from `first` on.

    `slowed` (query, 1) are their factors on distances; `fetched` is what these very queries fetched.
    """
    distance, j, logits, at = block.distance, block.j, block.logits, None
    if slowed is not None:
        distance = distance * slowed.to(distance)
    if fetched is not None:
        extra, at = fetched.logits.shape[-1], fetched.j.expand(len(logits), -1)
        logits = torch.cat((logits, fetched.logits.to(logits)), dim=-1)
        j = torch.cat((j, j.new_full((extra,), OWN_POSITION)))
        distance = torch.cat((distance, fetched.distance.to(distance)), dim=-1)
    rows = slice(first, first + len(block.i))
    return AttentionWeights(layer, rows, block.i, j, distance, logits, at, block.sinks, block.alike)
