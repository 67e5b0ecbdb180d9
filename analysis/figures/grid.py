"""A pass key grid of one method: lengths to the right, depths downwards, in each cell how many keys were found."""

import numpy as np
import plotly.graph_objects as go

from analysis.figures.layout import INK, UNUSED, plain_layout
from analysis.figures.palette import FOUND
from analysis.grids import GridRecord

NAMED_COLUMNS = 12
"""Up to this many lengths a cell has room for its numbers."""


def grid_figure(record: GridRecord, method: int) -> go.Figure:
    """The grid of the method at place `method`; x and y of a cell are the places of its length and its depth.

    A line stands where the method's familiar length ends (`analysis.grids.familiar_length`): a column of texts that
    are longer lies to the right of it.
    """
    found = record.found[method]  # length depth trial
    done, hits = np.isfinite(found).sum(-1).T, np.nansum(found, -1).T  # depth length
    share = np.full(done.shape, np.nan)
    np.divide(hits, done, out=share, where=done > 0)
    cells = [[f"{int(k)}/{n}" if n else "" for k, n in zip(*row, strict=True)] for row in zip(hits, done, strict=True)]
    heatmap = go.Heatmap(
        x=np.arange(len(record.length)), y=np.arange(len(record.depth)), z=share, text=cells, customdata=_told(record),
        zmin=0, zmax=1, colorscale=list(zip((0, 0.5, 1), FOUND, strict=True)), showscale=False, xgap=2, ygap=2,
        hoverongaps=False, hovertemplate="%{customdata}<br>found %{text}<extra></extra>",
        texttemplate="%{text}" if len(record.length) <= NAMED_COLUMNS else "",
    )  # fmt: skip
    figure = go.Figure(heatmap, plain_layout(""))
    figure.update_xaxes(
        title_text="length [tokens]", tickvals=np.arange(len(record.length)), showgrid=False, zeroline=False,
        ticktext=[f"{n:,}" for n in record.length.tolist()], range=(-0.5, len(record.length) - 0.5),
    )  # fmt: skip
    figure.update_yaxes(
        title_text="depth of the key", tickvals=np.arange(len(record.depth)), showgrid=False, zeroline=False,
        ticktext=[f"{depth:.0%}" for depth in record.depth.tolist()], range=(len(record.depth) - 0.5, -0.5),
    )  # fmt: skip
    _mark_limit(figure, record, method)
    height = 110 + 40 * max(len(record.depth), 3)
    return figure.update_layout(
        title=None,
        dragmode=False,
        modebar={"remove": UNUSED},
        height=height,
        margin={"l": 76, "r": 12, "t": 28, "b": 48},
    )


def _told(record: GridRecord) -> list[list[str]]:
    return [
        [f"{length:,} tokens, key at depth {depth:.0%}" for length in record.length.tolist()]
        for depth in record.depth.tolist()
    ]


def _mark_limit(figure: go.Figure, record: GridRecord, method: int) -> None:
    limit = record.limit[method]
    if np.isnan(limit) or limit >= record.length[-1]:
        return
    figure.add_vline(
        limit_place(record.length, limit), line={"color": INK, "width": 2, "dash": "dash"}, name="limit",
        annotation={"text": f"{limit:,.0f}", "font": {"color": INK, "size": 11}, "yanchor": "bottom", "y": 1},
        annotation_position="top",
    )  # fmt: skip


def limit_place(lengths: np.ndarray, limit: float) -> float:
    """Where a length lies on an axis on which the column of `lengths[k]` ends at k + 0.5; logarithmic between two."""
    edges = np.arange(len(lengths)) + 0.5
    return float(np.interp(np.log(limit), np.log(lengths), edges, left=-0.5))
