"""Effective distances that a model is shown, beside those that it was trained on; and where its attention goes."""

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go

from ..drawing.curves import line_of, mark_trained, run_edges, short, small_multiples, thinned
from ..drawing.layout import INK
from ..drawing.palette import PART_COLOURS
from ..runs import Run
from .observed import PARTS, DistanceRecord, MassRecord

FIELDS = {"starting": "starting", "window": "recent", "middle": "middle", "fetched": "fetched"}
"""Which field of a `MassRecord` holds each part."""


def distances_figure(runs: Sequence[Run], records: Sequence[DistanceRecord]) -> go.Figure:
    """Above: keys shown per query at each effective distance, grey for training. Below: how attention is shared out.

    The axes are logarithmic upwards: a ceiling puts thousands of keys at one distance.
    """
    names = ["keys shown, per query", "attention, mean over layers, heads and queries"]
    figure = small_multiples("effective distances shown, and attended to", names, columns=1)
    first = records[0]
    figure.add_scatter(
        x=first.upper, y=_positive(first.trained), row=1, col=1, mode="lines", fill="tozeroy", name="trained on",
        line={"color": INK, "width": 1, "shape": "vh"}, fillcolor="rgba(128, 128, 128, 0.25)",
        hovertemplate="%{y:.3~g} keys in training",
    )  # fmt: skip
    for run, record in zip(runs, records, strict=True):
        for row, values in ((1, record.shown), (2, record.attended.mean(0))):
            figure.add_scatter(
                x=record.upper, y=_positive(values), row=row, col=1, mode="lines", name=run.label, legendgroup=run.id,
                showlegend=row == 1, hovertemplate="%{y:.3~g}", line=line_of(run) | {"shape": "vh"},
            )  # fmt: skip
    figure.update_yaxes(type="log", exponentformat="power")
    figure.update_layout(yaxis={"matches": None, "title": "keys"}, yaxis2={"matches": None, "title": "share"})
    figure.update_xaxes(title_text=f"effective distance [tokens], in bins of {first.width:,}", row=2)
    mark_trained(figure, first.train_length)
    return figure.update_layout(meta={"x": "distance"})


def _positive(values: np.ndarray) -> np.ndarray:
    """Without zeros, which have no place on a logarithmic axis."""
    return short(np.where(values > 0, values, np.nan))


def mass_figure(records: Sequence[MassRecord], mark: int | None = None) -> go.Figure:
    """Where attention goes along the text, mean over layers and heads, stacked to 1: one panel per record."""
    figure = small_multiples("where attention goes, mean over heads", [r.caption for r in records], 1)
    for panel, record in enumerate(records):
        places = run_edges(len(record.position))
        for part in PARTS:
            figure.add_scatter(
                x=record.position[places], y=short(thinned(getattr(record, FIELDS[part]).mean((0, 1)), places)),
                row=panel + 1, col=1, mode="lines", stackgroup=str(panel), name=part, legendgroup=part,
                showlegend=panel == 0, line={"width": 0.5, "color": PART_COLOURS[part]}, hovertemplate="%{y:.1%}",
            )  # fmt: skip
    figure.update_yaxes(range=[0, 1], tickformat=".0%")
    figure.update_xaxes(title_text="position [tokens]", row=len(records))
    mark_trained(figure, records[0].train_length, mark)
    return figure.update_layout(meta={"x": "position"})
