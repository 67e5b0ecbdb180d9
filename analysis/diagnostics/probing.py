"""One forward pass with many probes: an observer that computes each block of attention once and shows it to all."""

from collections.abc import Callable, Generator, Sequence
from dataclasses import replace
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from longsight.attention.observer import AttentionStep, Fetched, Observer
from longsight.generation.prefill import Chunk, watch
from longsight.methods import Method
from longsight.models.model import Ids, Model
from longsight.progress import Progress

from ..export.records import Record
from .attention_block import AttentionWeights, make_view
from .observed import QueriesHeader
from .reading import MOST_QUERIES, Reading, new_reading

BUDGET = {"cpu": 2**19}
"""Logits in a block: on a CPU few enough for its caches, or every pass over them goes to memory."""
ELSEWHERE = 2**25


class Probe:
    """Something measured while a text is read. Subclasses override what they want to see, and make a record of it.

    A probe is made for one `Reading`; `layers` are the attention layers that it watches, `queries` the positions.
    """

    wants_hidden: ClassVar[bool] = False

    def __init__(self, reading: Reading) -> None:
        self.reading = reading
        self.layers: tuple[int, ...] = ()
        self.queries: np.ndarray = reading.queries

    def see(self, view: AttentionWeights) -> None:
        """One layer's attention of some of `queries`."""

    def hidden(self, start: int, states: tuple[Tensor, ...]) -> None:
        """See `longsight.attention.observer.Observer.hidden`."""

    def logits(self, start: int, logits: Tensor) -> None:
        """See `longsight.attention.observer.Observer.logits`."""

    def record(self) -> Record:
        """What has been measured so far; NaN where the text has not been read yet."""
        raise NotImplementedError


MakeProbe = Callable[[Reading], Probe]


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

    def common(self) -> QueriesHeader:
        """The fields that records of measured queries share."""
        position = self.reading.unread + self.queries
        return {
            **self.reading.header(),
            "sampling": self.reading.sampling,
            "layer": np.array(self.layers),
            "position": position,
            "token": self.reading.tokens[position],
            "keys": self.kept("keys"),
        }

    def see(self, view: AttentionWeights) -> None:
        self.keep("keys", view, view.count)


class Probing(Observer):
    """Probes on their way through one text. Run `steps` to its end, or close it; `records` can be had at any time."""

    def __init__(
        self, model: Model, ids: Ids, method: Method, probes: Sequence[MakeProbe], most: int = MOST_QUERIES
    ) -> None:
        self.reading = new_reading(model, ids, method, most)
        self.probes = [make(self.reading) for make in probes]
        self.wants_hidden = any(probe.wants_hidden for probe in self.probes)
        self._watches = _watches(self.reading, self.probes)

    def steps(self, chunk: Chunk = 512) -> Generator[Progress, None, None]:
        """Read the text `chunk` tokens at a time; yields after each chunk. Closing it stops the work."""
        yield from watch(self.reading.model, self.reading.read, self.reading.method, self, chunk)

    def records(self) -> tuple[Record, ...]:
        """One record for each probe, in order."""
        return tuple(probe.record() for probe in self.probes)

    def attention(self, step: AttentionStep) -> None:
        for group in self._watches:
            group.see(step)

    def hidden(self, start: int, states: tuple[Tensor, ...]) -> None:
        for probe in self.probes:
            probe.hidden(start, states)

    def logits(self, start: int, logits: Tensor) -> None:
        for probe in self.probes:
            probe.logits(start, logits)


def measure(
    model: Model,
    ids: Ids,
    method: Method,
    probes: Sequence[MakeProbe],
    most: int = MOST_QUERIES,
    chunk: Chunk = 512,
) -> tuple[Record, ...]:
    """The records of `probes` for a whole text: `Probing` run to its end."""
    probing = Probing(model, ids, method, probes, most)
    for _ in probing.steps(chunk):
        pass
    return probing.records()


def _watches(reading: Reading, probes: Sequence[Probe]) -> "list[Watch]":
    """The probes that look at attention, those that look at the same queries together."""
    groups: dict[bytes, list[Probe]] = {}
    for probe in probes:
        if probe.layers and len(probe.queries):
            groups.setdefault(probe.queries.tobytes(), []).append(probe)
    return [Watch(reading, group) for group in groups.values()]


class Watch:
    """Probes that look at the same queries, so that each block is computed once for all of them."""

    def __init__(self, reading: Reading, probes: Sequence[Probe]) -> None:
        self.probes = probes
        self.queries = probes[0].queries
        self.method, self.slowed = reading.method, reading.slowed(self.queries)

    def see(self, step: AttentionStep) -> None:
        probes = [probe for probe in self.probes if step.layer in probe.layers]
        if not probes:
            return
        for rows, fetched in step.parts:
            self._see_part(probes, step, rows, fetched)

    def _see_part(self, probes: Sequence[Probe], step: AttentionStep, rows: slice, fetched: Fetched | None) -> None:
        """Queries that fetched the same."""
        start = int(step.i[0])
        first, last = np.searchsorted(self.queries, (start + rows.start, start + rows.stop))
        if first == last:
            return
        picked = torch.from_numpy(self.queries[first:last] - start).to(step.i.device)
        step = replace(step, q=step.q[:, picked], i=step.i[picked])
        everywhere = self.slowed if step.method == self.method else None  # a layer with a window of its own keeps it
        begin = first
        for block in step.blocks(BUDGET.get(step.q.device.type, ELSEWHERE)):
            end = first + len(block.i)
            slowed = None if everywhere is None else everywhere[first:end]
            found = None if fetched is None else fetched.of(picked[first - begin : end - begin])
            view = make_view(step.layer, int(first), block, slowed, found)
            for probe in probes:
                probe.see(view)
            first = end
