"""What figures over the length of a text share: fewer points than queries, bands, marks and small multiples."""

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from longsight.errors import LongSightError

from ..runs import Run
from .layout import INK, plain_layout

POINTS = 160
"""Points of a curve in a small plot."""

ROW_HEIGHT = 210
MOST_PANELS = 6


def thinned(values: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Means of `values` (..., query) over the runs of neighbours that begin at `edges`; NaN where none is known."""
    known = np.isfinite(values)
    sums = np.add.reduceat(np.where(known, values, 0), edges, axis=-1, dtype=np.float64)
    counts = np.add.reduceat(known.astype(np.int64), edges, axis=-1)
    return sums / np.where(counts, counts, np.nan)


def run_edges(count: int, points: int = POINTS) -> np.ndarray:
    """Where each of at most `points` equal runs of `count` values begins."""
    size = min(points, count)
    return np.arange(size) * count // size


def growing_edges(count: int, points: int = POINTS) -> np.ndarray:
    """The same with runs that grow with the position, for a logarithmic axis."""
    return np.unique(np.geomspace(1, count, min(points, count)).astype(np.int64)) - 1


def spread_layers(count: int, most: int = MOST_PANELS) -> list[int]:
    """At most `most` of `count` layers, evenly spread, with the first and the last: indices."""
    if count <= most:
        return list(range(count))
    return [round(place * (count - 1) / (most - 1)) for place in range(most)]


def translucent(colour: str, alpha: float = 0.12) -> str:
    """`#rrggbb` as a colour that lets through what lies behind."""
    red, green, blue = (int(colour[at : at + 2], 16) for at in (1, 3, 5))
    return f"rgba({red}, {green}, {blue}, {alpha})"


def small_multiples(title: str, names: Sequence[str], columns: int = 2, **options: object) -> go.Figure:
    """Empty panels with shared axes, one for each name."""
    columns = min(columns, len(names))
    rows = -(-len(names) // columns)
    figure = make_subplots(
        rows, columns, subplot_titles=list(names), shared_xaxes="all", shared_yaxes="all",
        horizontal_spacing=0.04, vertical_spacing=min(0.12, 0.3 / rows), **options,
    )  # fmt: skip
    layout = plain_layout(title)
    axis = layout.xaxis.to_plotly_json()
    figure.update_layout(layout)
    figure.update_xaxes(axis)
    figure.update_yaxes(axis)
    figure.update_annotations(font={"size": 12, "color": INK})
    return with_legend_above(figure, 130 + ROW_HEIGHT * rows).update_layout(hovermode="x")


def with_legend_above(figure: go.Figure, height: int, room: int = 100) -> go.Figure:
    """Title and legend in `room` pixels above the panels of a figure that is `height` pixels high."""
    return figure.update_layout(
        height=height,
        title={"y": 1, "yref": "container", "yanchor": "top", "pad": {"t": 12}},
        legend={"orientation": "h", "yref": "container", "y": 1 - 34 / height, "yanchor": "top", "x": 0},
        margin={"l": 60, "r": 20, "t": room, "b": 50},
    )


def add_band(
    figure: go.Figure, run: Run, x: np.ndarray, values: np.ndarray, at: dict[str, int], *, legend: bool, hover: str,
    edges: np.ndarray,
) -> None:  # fmt: skip
    """The mean over heads of `values` (head, query) as the run's line, on a band from the smallest head to the largest;
    one point for each stretch of queries that begins at `edges`."""
    x = x[edges]
    edge = {"legendgroup": run.id, "showlegend": False, "hoverinfo": "skip", "mode": "lines"} | at
    low, mean, high = (short(thinned(each, edges)) for each in (values.min(0), values.mean(0), values.max(0)))
    figure.add_scatter(x=x, y=low, name="smallest head", line={"width": 0}, **edge)
    figure.add_scatter(
        x=x, y=high, name="largest head", line={"width": 0}, fill="tonexty", fillcolor=translucent(run.colour), **edge
    )
    figure.add_scatter(
        x=x, y=mean, name=run.label, legendgroup=run.id, showlegend=legend, mode="lines", line=line_of(run),
        hovertemplate=hover, **at,
    )  # fmt: skip


def line_of(run: Run) -> dict[str, str | int]:
    """How a run's line looks, in every figure."""
    return {"color": run.colour, "dash": run.dash, "width": 2}


def of_heads(values: np.ndarray, heads: Sequence[int] | None) -> np.ndarray:
    """The rows of `values` (head, query) that belong to `heads`, or all. Raises `LongSightError` on one that is not."""
    if heads is None:
        return values
    wrong = [head for head in heads if not 0 <= head < len(values)]
    if wrong or not heads:
        raise LongSightError(
            f"head {', '.join(map(str, wrong)) or 'none'} was asked for; there are 0 to {len(values) - 1}."
        )
    return values[list(heads)]


def over_heads(heads: Sequence[int] | None) -> str:
    """What a title says of the heads that a curve and its band are made of."""
    if heads is None:
        return "mean and range over heads"
    return f"head {heads[0]}" if len(heads) == 1 else f"mean and range over heads {', '.join(map(str, heads))}"


def short(values: np.ndarray) -> np.ndarray:
    """In single precision: half the size, and more digits than a screen shows."""
    return values.astype(np.float32)


def lines_on_top(figure: go.Figure) -> go.Figure:
    """Bands behind lines, and dashed lines in front of solid ones: where curves coincide, each can still be seen."""

    def place(trace: go.Scatter) -> int:
        return 0 if trace.line.width == 0 else 1 if trace.line.dash in (None, "solid") else 2

    for rank, trace in enumerate(figure.data):
        trace.legendrank = rank
    figure.data = sorted(figure.data, key=place)
    return figure


def mark_trained(figure: go.Figure, train_length: int, mark: int | None = None) -> None:
    """A dotted line at the trained length in every panel, and a plain one at a marked position."""
    figure.add_vline(train_length, line={"color": INK, "width": 1, "dash": "dot"})
    if mark is not None:
        figure.add_vline(mark, line={"color": INK, "width": 2}, name="mark")
