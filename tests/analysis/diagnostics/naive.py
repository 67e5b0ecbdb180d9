"""What probes measure, computed the slow way: whole attention matrices in float64, from the methods' law."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch

from longsight.attention.observer import Observer
from longsight.attention.plain_retrieval import blocks
from longsight.attention.plain_retrieval import fetched as plain_fetched
from longsight.generation.prefill import watch
from longsight.methods.base import of_group
from longsight.models.model import adopt
from tests.longsight import tiny


class Capture(Observer):
    """Queries and keys of every layer, hidden states and logits, of a text read in one piece."""

    wants_hidden = True

    def __init__(self):
        self.steps = []

    def attention(self, step):
        self.steps.append(step)

    def hidden(self, start, states):
        self.states = torch.stack(states).numpy()

    def logits(self, start, logits):
        self.predicted = logits.numpy()


@dataclass
class Naive:
    """`weights`, `logits`, `distance` (layer, head, query, key): weights 0, logits and distances NaN where unseen."""

    method: object
    ids: torch.Tensor
    capture: Capture

    @property
    def n(self):
        return self.method.keeps(len(self.ids))

    @cached_property
    def law(self):
        return [self._layer(step) for step in self.capture.steps]

    def _layer(self, step):
        """Of all heads, those that follow rules of their own by their own step."""
        if not step.method.head_groups:
            return self._heads(step, self.method)
        whole = [np.empty((len(step.q), self.n, self.n), kind) for kind in (float, float, bool)]
        for heads, part in step.groups:
            for all_heads, own in zip(whole, self._heads(part, part.method), strict=True):
                all_heads[heads] = own
        return whole

    def _heads(self, step, method):
        i = torch.arange(self.n)
        k = step.k.repeat_interleave(len(step.q) // len(step.k), dim=0)
        logits = torch.full((len(step.q), self.n, self.n), torch.nan, dtype=torch.float64)
        distance, fetched = torch.full_like(logits, torch.nan), torch.zeros_like(logits, dtype=torch.bool)
        visible = method.visible(i[:, None], i[None])
        for row in range(self.n):
            encoding = step.encoding.under(method, method.length_at(i[row]))
            scale = method.logit_scale(i[row : row + 1])
            told = method.distance(i[row, None, None], i[None])
            q = step.q[:, row : row + 1] * (1 if scale is None else scale)
            found = encoding.logits(q[None], k[None], told, step.scaling)[0, :, 0]
            slowest = getattr(encoding, "inv_freq", torch.ones(1))[-1] / getattr(step.encoding, "inv_freq", [1])[-1]
            logits[:, row, visible[row]] = found[:, visible[row]]
            distance[:, row, visible[row]] = (of_group(told)[0] * slowest).double()[visible[row]]
        retrieval = method.retrieval
        if retrieval is not None and step.layer >= retrieval.from_layer:
            scale = method.logit_scale(i)
            q = step.q if scale is None else step.q * scale[:, None].to(step.q)
            for rows in blocks(retrieval, i, True, ()):
                weights = logits[:, : rows.start].nan_to_num(-torch.inf).softmax(-1)
                chosen, told = plain_fetched(
                    retrieval, q[None, :, rows], k[None], i[rows], i, step.encoding, weights[None], i[: rows.start]
                )
                told = told[0, 0].expand(rows.stop - rows.start, self.n)
                found = step.encoding.logits(q[None, :, rows], k[None], told, step.scaling)[0]
                logits[:, rows] = torch.where(chosen[0], found, logits[:, rows])
                distance[:, rows] = torch.where(chosen[0], told.double(), distance[:, rows])
                fetched[:, rows] = chosen[0]
        return logits.numpy(), distance.numpy(), fetched.numpy()

    @cached_property
    def logits(self):
        return np.stack([layer[0] for layer in self.law])

    @cached_property
    def distance(self):
        return np.stack([layer[1] for layer in self.law])

    @cached_property
    def fetched(self):
        return np.stack([layer[2] for layer in self.law])

    @cached_property
    def weights(self):
        weights = np.exp(self.logits - np.nanmax(self.logits, axis=-1, keepdims=True))
        weights = np.nan_to_num(weights, nan=0.0)
        return weights / weights.sum(-1, keepdims=True)


def models(**config):
    """One random model twice: in float32, as it runs, and in float64, as the truth."""
    shape = {"intermediate_size": 48, **config}
    return adopt(tiny.hf(**shape)), adopt(tiny.hf(**shape).double())


def naive(model64, ids, method):
    capture = Capture()
    with torch.inference_mode():
        for _ in watch(model64, ids, method, capture, chunk=len(ids)):
            pass
    return Naive(method, ids, capture)
