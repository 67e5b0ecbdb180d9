"""Attention sinks: the tokens that collect most attention."""

from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go
import torch

from ..drawing.curves import with_legend_above
from ..drawing.layout import INK, plain_layout
from ..export.records import Column, array, value
from ..runs import Run
from .attention_block import AttentionWeights
from .observed import Observed
from .probing import Probe
from .reading import Reading

LEAST_QUERIES = 32
SINK = 0.3
SINK_NAMES = 12


@dataclass(frozen=True, eq=False)
class SinkRecord(Observed):
    """How much attention each token receives.

    `received` is the mean weight of a key over the measured queries that see it. Keys fetched by content are left out:
    only the last query has any.
    """

    sampling: str = value("which queries were measured")
    queries: int = value("how many queries were measured")
    layer: np.ndarray = array("layer", "number of the layer, from 0")
    position: np.ndarray = array("key", "position of the key in the text", "tokens")
    token: np.ndarray = array("key", "text of the key's token")
    seen: np.ndarray = array("key", "how many measured queries see the key", "queries")
    received: np.ndarray = array("layer head key", "mean attention that the key receives where it is seen", "share")

    @property
    def collected(self) -> np.ndarray:
        """(layer head key) attention that the key receives from all queries together; its mean over keys is 1.

        Estimated from the measured queries. It is fair to keys that are seen by many queries and by few: an ordinary
        key collects about 1 in either case, for every query has attention 1 to give.
        """
        return np.nan_to_num(self.received) * self.seen * ((self.n - self.unread) / self.queries)

    @property
    def heads(self) -> np.ndarray:
        """(key) share of all heads in which the key is a sink: it receives over 0.3 (Gu et al. 2024, arXiv 2410.10781,
        section 3.1); NaN for keys that under 32 queries see, too few for a mean."""
        return np.where(self.seen >= LEAST_QUERIES, (self.received > SINK).mean((0, 1)), np.nan)

    def columns(self) -> tuple[Column, ...]:
        """Besides the fields: what the key collects, and in how many heads it is a sink."""
        axes, means = ("layer", "head", "key"), "attention received from all queries together"
        return (
            *super().columns(),
            Column("collected", axes, means, "queries", self.collected),
            Column("heads", ("key",), f"heads in which the key receives over {SINK}", "share", self.heads),
        )


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


def sinks_figure(run: Run, record: SinkRecord) -> go.Figure:
    """The tokens that collect most attention, by name: mean over layers and heads, and the strongest head's."""
    collected = record.collected.mean((0, 1))
    best = np.argsort(collected)[::-1][:SINK_NAMES]
    names = [f"{str(record.token[place])!r} at {record.position[place]:,}" for place in best]
    figure = go.Figure(layout=plain_layout(f"{record.caption}: tokens that collect most attention"))
    figure.add_bar(
        y=names, x=collected[best], orientation="h", marker={"color": run.colour},
        name="mean over layers and heads", hovertemplate="%{y}: %{x:.3~g}<extra></extra>",
    )  # fmt: skip
    figure.add_scatter(
        y=names, x=record.collected.max((0, 1))[best], mode="markers", name="strongest head",
        marker={"symbol": "line-ns-open", "size": 14, "color": INK},
        hovertemplate="strongest head %{x:.3~g}<extra></extra>",
    )  # fmt: skip
    figure.update_xaxes(title_text="attention collected (mean token: 1)", title_font_size=12, rangemode="tozero")
    figure.update_yaxes(title_text="token", autorange="reversed", automargin=True)
    return with_legend_above(figure, 160 + 24 * len(names), room=80).update_layout(meta={"x": "share"})
