"""Probes of attention that keep one number per layer, head and query."""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from .attention_block import OWN_POSITION, AttentionWeights
from .observed import EntropyRecord, LogitRecord, MassRecord
from .probing import Probe
from .reading import STARTING, Reading


class QueryProbe(Probe):
    """Keeps numbers per layer, head and measured query."""

    def __init__(self, reading: Reading, layers: tuple[int, ...] | None = None) -> None:
        super().__init__(reading)
        self.layers = reading.chosen_layers(layers)
        self._kept: dict[str, Tensor] = {}

    def keep(self, name: str, view: AttentionWeights, values: Tensor) -> None:
        """Note `values` (..., query) of a view under `name`."""
        if name not in self._kept:
            shape = (len(self.layers), *values.shape[:-1], len(self.queries))
            self._kept[name] = values.new_full(shape, torch.nan, dtype=torch.float32)
        self._kept[name][self.layers.index(view.layer)][..., view.rows] = values.to(torch.float32)

    def kept(self, name: str) -> np.ndarray:
        """(layer, ..., query) what was noted so far."""
        return self._kept[name].cpu().numpy().copy()

    def common(self) -> dict[str, Any]:
        """The fields that records of measured queries share."""
        position = self.reading.unread + self.queries
        return self.reading.header() | {
            "sampling": self.reading.sampling,
            "layer": np.array(self.layers),
            "position": position,
            "token": self.reading.tokens[position],
            "keys": self.kept("keys"),
        }

    def see(self, view: AttentionWeights) -> None:
        self.keep("keys", view, view.count)


class LogitProbe(QueryProbe):
    """Largest |logit|, mean and spread over the visible keys."""

    def see(self, view: AttentionWeights) -> None:
        super().see(view)
        self.keep("largest", view, view.largest)
        self.keep("mean", view, view.mean)
        self.keep("spread", view, view.spread)

    def record(self) -> LogitRecord:
        return LogitRecord(
            **self.common(), largest=self.kept("largest"), mean=self.kept("mean"), spread=self.kept("spread")
        )


class EntropyProbe(QueryProbe):
    """Attention entropy, and the largest |logit| that bounds it."""

    def see(self, view: AttentionWeights) -> None:
        super().see(view)
        self.keep("entropy", view, view.entropy)
        self.keep("largest", view, view.largest)

    def record(self) -> EntropyRecord:
        largest = np.fmax.reduce(self.kept("largest"), axis=-1)  # fmax: what has not been read yet is NaN
        return EntropyRecord(**self.common(), entropy=self.kept("entropy"), largest=largest)


class MassProbe(QueryProbe):
    """Where attention goes, and the mean effective distance that it goes to.

    Starting tokens are the first `starting` that the method reads; the window is every later token less than `window`
    (default: the trained length) away. Both are the same for all methods, so that they can be compared.
    """

    def __init__(
        self,
        reading: Reading,
        layers: tuple[int, ...] | None = None,
        starting: int = STARTING,
        window: int | None = None,
    ) -> None:
        super().__init__(reading, layers)
        self.starting = starting
        self.window = reading.model.train_length if window is None else window

    def see(self, view: AttentionWeights) -> None:
        super().see(view)
        first = ((view.j < self.starting) & (view.j != OWN_POSITION)).expand(len(view.i), -1)
        near = (view.i[:, None] - view.j < self.window) & ~first & (view.j != OWN_POSITION)
        own = (view.j == OWN_POSITION).expand(len(view.i), -1)
        features = torch.stack((*(x.to(view.distance) for x in (first, near, own)), view.distance), dim=1)
        found = view.expected(features.to(view.logits))
        for name, values in zip(("starting", "recent", "fetched", "distance"), found.unbind(-1), strict=True):
            self.keep(name, view, values)

    def record(self) -> MassRecord:
        starting, recent, fetched = (self.kept(name) for name in ("starting", "recent", "fetched"))
        return MassRecord(
            **self.common(),
            starting_tokens=self.starting,
            window=self.window,
            starting=starting,
            recent=recent,
            middle=np.clip(1 - starting - recent - fetched, 0, 1),
            fetched=fetched,
            distance=self.kept("distance"),
        )
