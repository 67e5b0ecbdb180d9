"""Attention entropy against context length, and its lower bound (LM-Infinite, figure 1b and proposition 1)."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import plotly.graph_objects as go

from ..drawing.curves import (
    add_band,
    growing_edges,
    lines_on_top,
    mark_trained,
    of_heads,
    over_heads,
    short,
    small_multiples,
    spread_layers,
    thinned,
)
from ..drawing.drawn_figure import DrawnFigure
from ..drawing.layout import INK
from ..export.records import Column, array
from ..runs import Run
from .attention_block import AttentionWeights
from .base import Panel, first
from .observed import AttentionObserved
from .probing import QueryProbe

FEW = 256
"""Context lengths up to this have a tick at every power of two, longer ones at every other."""


@dataclass(frozen=True, eq=False)
class EntropyRecord(AttentionObserved):
    """Attention entropy, and what bounds it from below."""

    entropy: np.ndarray = array("layer head query", "attention entropy", "nats")
    largest: np.ndarray = array("layer head", "largest |logit| of all measured queries: B of proposition 1")

    @property
    def most(self) -> np.ndarray:
        """(layer query) ln(keys) [nats]: the entropy of attention that is spread evenly."""
        return np.log(self.keys)

    @property
    def share(self) -> np.ndarray:
        """(layer head query) entropy as a share of `most`; NaN where the query sees one key."""
        most = np.where(self.keys > 1, self.most, np.nan)
        return self.entropy / most[:, None]

    @property
    def bound(self) -> np.ndarray:
        """(layer head query) ln n - 2B [nats]: entropy is never lower (LM-Infinite, proposition 1)."""
        return self.most[:, None] - 2 * self.largest[:, :, None]

    def columns(self) -> tuple[Column, ...]:
        """Besides the fields: the share and the bound."""
        axes = ("layer", "head", "query")
        return (
            *super().columns(),
            Column("share", axes, "attention entropy as a share of ln(keys)", "", self.share),
            Column(
                "bound",
                axes,
                "ln(keys) - 2 largest: lower bound of the entropy of a head that sees as many",
                "nats",
                self.bound,
            ),
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


def entropy_figure(
    runs: Sequence[Run],
    records: Sequence[EntropyRecord],
    mark: int | None = None,
    columns: int = 2,
    heads: Sequence[int] | None = None,
) -> go.Figure:
    """One panel per layer, over the context length on a logarithmic axis; of all heads, or only of `heads`.

    Dotted in the run's colour: the mean over heads of max(0, ln n - 2B), below which the mean entropy cannot lie; B
    is each head's own largest |logit|. Grey: ln n for the longest context, the entropy of attention spread evenly.
    """
    shown = spread_layers(len(records[0].layer))
    names = [f"layer {records[0].layer[place]}" for place in shown]
    figure = small_multiples(f"attention entropy [nats], {over_heads(heads)}", names, columns)
    columns = min(columns, len(names))
    for panel, place in enumerate(shown):
        at = {"row": panel // columns + 1, "col": panel % columns + 1}
        _add_most(figure, records, place, at, legend=panel == 0)
        for run, record in zip(runs, records, strict=True):
            add_band(
                figure, run, context(record), of_heads(record.entropy[place], heads), at, legend=panel == 0,
                hover="%{y:.3f} nats", edges=growing_edges(len(record.position)),
            )  # fmt: skip
            _add_bound(figure, run, record, of_heads(record.bound[place], heads), at)
    longest = max(int(context(record)[-1]) for record in records)
    figure.update_xaxes(type="log", dtick=np.log10(2 if longest <= FEW else 4), tickformat=",d", tickangle=0)
    figure.update_xaxes(title_text="context length [tokens]", row=-(-len(names) // columns))
    figure.update_yaxes(title_text="nats", col=1)
    mark_trained(figure, records[0].train_length, None if mark is None else mark + 1)  # a context counts its query too
    return lines_on_top(figure).update_layout(meta={"x": "context"})


def context(record: EntropyRecord) -> np.ndarray:
    """(query) how many tokens the model has read when it is at the query."""
    return record.position - record.unread + 1


def _add_most(
    figure: go.Figure, records: Sequence[EntropyRecord], place: int, at: dict[str, int], *, legend: bool
) -> None:
    longest = max(records, key=lambda record: np.nanmax(record.keys, initial=0))
    edges = growing_edges(len(longest.position))
    figure.add_scatter(
        x=context(longest)[edges], y=short(thinned(longest.most[place], edges)), mode="lines",
        line={"color": INK, "width": 1, "dash": "dash"}, name="ln n: spread evenly", legendgroup="most",
        showlegend=legend, hoverinfo="skip", **at,
    )  # fmt: skip


def _add_bound(figure: go.Figure, run: Run, record: EntropyRecord, bounds: np.ndarray, at: dict[str, int]) -> None:
    edges = growing_edges(len(record.position))
    bound = thinned(np.maximum(bounds, 0).mean(0), edges)
    figure.add_scatter(
        x=context(record)[edges], y=short(bound), mode="lines", name="at least: ln n - 2B", legendgroup=run.id,
        line={"color": run.colour, "width": 1.5, "dash": "dot"}, showlegend=False,
        hovertemplate="at least %{y:.3f} nats<extra></extra>", **at,
    )  # fmt: skip


ENTROPY = Panel(
    key="entropy",
    title="Entropy",
    look="Look for curves that go on rising past the trained length: attention spreads over more tokens than "
    "it ever did in training. Proposition 1: with logits within ±B, entropy is at least ln n - 2B "
    "(dotted; 0 where that is negative and says nothing).",
    paper="LM-Infinite, figure 1b",
    probes=lambda options: [partial(EntropyProbe, layers=options.layers)],
    names=lambda options: ("entropy",),
    draw=lambda runs, records, options: [
        DrawnFigure("entropy", entropy_figure(runs, first(records), options.mark, heads=options.heads))
    ],
    measures=("layers", "most_queries"),
    draws=("heads", "mark"),
)
