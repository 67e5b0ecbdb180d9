"""Probes of attention that keep one number per key or per distance."""

import math

import numpy as np
import torch

from .attention_block import AttentionWeights
from .observed import DistanceRecord, SinkRecord
from .probing import Probe
from .reading import Reading

BINS_IN_TRAINING = 64
MOST_BINS = 4096
EDGE = 1e-4
"""Part of a bin by which a fractional distance may lie above its edge and still count as on it: rounding."""


class SinkProbe(Probe):
    """How much attention each key receives from the measured queries that see it."""

    def __init__(self, reading: Reading, layers: tuple[int, ...] | None = None) -> None:
        super().__init__(reading)
        self.layers = reading.chosen_layers(layers)
        self._rows = 0
        self._seen = torch.zeros(len(reading.read), dtype=torch.int64)
        self._received = torch.zeros(len(self.layers), reading.heads, len(self._seen), device=reading.model.device)

    def see(self, view: AttentionWeights) -> None:
        place, ordinary = self.layers.index(view.layer), slice(0, view.ordinary)
        received = view.over_queries(view.logits.new_ones(len(view.i), 1))[:, 0, ordinary]
        self._received[place].index_add_(1, view.j[ordinary], received)
        if place == 0:
            self._rows += len(view.i)
            self._seen.index_add_(0, view.j[ordinary].cpu(), view.visible[:, ordinary].sum(0).cpu())

    def record(self) -> SinkRecord:
        seen, position = self._seen.numpy().copy(), np.arange(self.reading.unread, self.reading.n)
        return SinkRecord(
            **self.reading.header(),
            sampling=self.reading.sampling,
            queries=self._rows,
            layer=np.array(self.layers),
            position=position,
            token=self.reading.tokens[position],
            seen=seen,
            received=self._received.cpu().numpy() / np.where(seen, seen, np.nan).astype(np.float32),
        )


class DistanceProbe(Probe):
    """A histogram of the effective distances shown, and of those attended to."""

    def __init__(self, reading: Reading, layers: tuple[int, ...] | None = None) -> None:
        super().__init__(reading)
        self.layers = reading.chosen_layers(layers)
        self.width = max(1, reading.model.train_length // BINS_IN_TRAINING)
        while reading.n > self.width * (MOST_BINS - 2):
            self.width *= 2
        bins = math.ceil(max(reading.n, reading.model.train_length) / self.width) + 1
        self._shown = torch.zeros(bins, dtype=torch.float64)
        self._attended = torch.zeros(len(self.layers), bins, dtype=torch.float64)
        self._rows = [0] * len(self.layers)

    def see(self, view: AttentionWeights) -> None:
        place = self.layers.index(view.layer)
        bins = (view.distance / self.width - EDGE).ceil_().long().clamp_(0, len(self._shown) - 1).flatten()
        mass = torch.bincount(bins, view.over_heads().flatten(), minlength=len(self._shown))
        self._attended[place] += mass.cpu()
        self._rows[place] += len(view.i)
        if place == 0:
            ordinary = view.visible.clone()
            ordinary[:, view.ordinary :] = False
            self._shown += torch.bincount(bins[ordinary.flatten()], minlength=len(self._shown)).cpu()

    def record(self) -> DistanceRecord:
        upper = self.width * np.arange(len(self._shown))
        length, rows = self.reading.model.train_length, np.maximum(self._rows, 1)
        return DistanceRecord(
            **self.reading.header(),
            sampling=self.reading.sampling,
            queries=self._rows[0],
            width=self.width,
            layer=np.array(self.layers),
            upper=upper,
            shown=self._shown.numpy() / rows[0],
            trained=trained_keys(length, self.width, len(upper)),
            attended=self._attended.numpy() / (rows[:, None] * self.reading.heads),
        )


def trained_keys(train_length: int, width: int, bins: int) -> np.ndarray:
    """(bin) keys per query at each distance in a text of `train_length` tokens: `L - d` pairs are `d` apart."""
    distances = np.arange(train_length)
    return np.bincount(-(-distances // width), train_length - distances, bins) / train_length
