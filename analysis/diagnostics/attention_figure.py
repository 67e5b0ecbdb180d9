"""Attention maps: all heads in small, one head large, and the difference of two methods."""

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from longsight.errors import LongSightError

from ..drawing.curves import short
from ..drawing.layout import INK, plain_layout
from ..drawing.palette import DIFFERENCE, WEIGHT
from .observed import AttentionMap

NAMED_CELLS = 128
"""Up to this many cells a side the hover names tokens; past it the names would take the figure over 2 MB."""

MOST_OVERVIEW = 2**17
"""Cells of all maps of an overview together."""

WEIGHTS = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)
DIFFERENCES = (-1.0, -0.1, -0.01, 0.0, 0.01, 0.1, 1.0)


def overview_cells(maps: int) -> int:
    """How many cells a side an overview of so many maps may have: 8 to 64."""
    return int(np.clip(np.sqrt(MOST_OVERVIEW / maps), 8, 64))


def overview_figure(record: AttentionMap) -> go.Figure:
    """Every layer (downwards) and head (to the right) of a record in small, in one scale of colours."""
    layers, heads, rows, columns = record.weight.shape
    if layers * heads * rows * columns > 4 * MOST_OVERVIEW:
        raise LongSightError(
            f"An overview of {layers * heads:,} maps of {rows} x {columns} cells is too much to draw; "
            f"{overview_cells(layers * heads)} cells a side would work, or fewer layers."
        )
    figure = make_subplots(
        layers, heads, row_titles=[f"layer {n}" for n in record.layer], horizontal_spacing=0.06 / heads,
        column_titles=[f"{n}" for n in record.head], vertical_spacing=0.06 / layers,
    )  # fmt: skip
    figure.update_layout(plain_layout(f"{record.caption}: layers downwards, heads to the right"))
    for layer, head in np.ndindex(layers, heads):
        hover = f"layer {record.layer[layer]}, head {record.head[head]}<br>" + _hover("%{z:.3~g}")
        heatmap = go.Heatmap(
            x=record.key_position, y=record.query_position, z=short(record.weight[layer, head]), coloraxis="coloraxis",
            hoverongaps=False, hovertemplate=hover,
        )  # fmt: skip
        figure.add_trace(heatmap, layer + 1, head + 1)
    figure.update_xaxes(showticklabels=False, showgrid=False, zeroline=False)
    figure.update_yaxes(showticklabels=False, showgrid=False, zeroline=False, autorange="reversed")
    figure.update_annotations(font={"size": 11, "color": INK})
    _colour(figure, WEIGHTS, WEIGHT)
    return figure.update_layout(
        height=110 + 110 * layers, margin={"t": 70, "l": 20, "b": 20, "r": 40}, meta={"x": "key", "y": "query"}
    )


def map_figure(record: AttentionMap, layer: int, head: int, mark: int | None = None) -> go.Figure:
    """One head large. Raises `LongSightError` on a layer or head that the record does not hold."""
    weight = record.weight[_place("layer", record.layer, layer), _place("head", record.head, head)]
    title = f"{record.caption}: layer {layer}, head {head}"
    return _colour(_large(record, weight, title, "%{z:.3~g}", mark), WEIGHTS, WEIGHT)


def difference_figure(
    one: AttentionMap, other: AttentionMap, layer: int, head: int, mark: int | None = None
) -> go.Figure:
    """The first map minus the second; a key that one of them hides counts as 0 there, one that both hide is blank.

    Raises `LongSightError` when the two do not show the same tokens.
    """
    if (one.queries, one.keys, one.weight.shape[2:]) != (other.queries, other.keys, other.weight.shape[2:]):
        raise LongSightError(
            f"Two maps of different tokens have no difference: queries {one.queries} and keys {one.keys} against "
            f"queries {other.queries} and keys {other.keys}."
        )
    first, second = (
        record.weight[_place("layer", record.layer, layer), _place("head", record.head, head)]
        for record in (one, other)
    )
    weight = np.nan_to_num(first) - np.nan_to_num(second)
    weight[np.isnan(first) & np.isnan(second)] = np.nan
    title = f"{one.caption} minus {other.caption}: layer {layer}, head {head}"
    return _colour(_large(one, weight, title, "%{z:+.3~g}", mark), DIFFERENCES, DIFFERENCE)


def _place(what: str, numbers: np.ndarray, asked: int) -> int:
    places = np.flatnonzero(numbers == asked)
    if not len(places):
        raise LongSightError(f"The map has no {what} {asked}; it has {', '.join(map(str, numbers))}.")
    return int(places[0])


def _large(record: AttentionMap, weight: np.ndarray, title: str, value: str, mark: int | None) -> go.Figure:
    heatmap = go.Heatmap(
        x=record.key_position, y=record.query_position, z=short(weight), coloraxis="coloraxis", hoverongaps=False,
        hovertemplate=_hover(value),
    )  # fmt: skip
    if max(weight.shape) <= NAMED_CELLS:
        words = [f"{query!r} looks at " for query in record.query_token.tolist()]
        keys = [f"{key!r}<br>" for key in record.key_token.tolist()]
        heatmap.update(text=[[word + key for key in keys] for word in words], hovertemplate="%{text}" + _hover(value))
    figure = go.Figure(heatmap, plain_layout(title))
    figure.update_xaxes(title_text="key position j", showgrid=False, zeroline=False)
    figure.update_yaxes(title_text="query position i", autorange="reversed", showgrid=False, zeroline=False)
    if mark is not None:
        figure.add_vline(mark, line={"color": INK, "width": 1}, name="mark")
        figure.add_hline(mark, line={"color": INK, "width": 1}, name="mark")
    return figure.update_layout(height=620, meta={"x": "key", "y": "query", "pooled": not record.exact})


def _hover(value: str) -> str:
    return f"query i = %{{y:,}}, key j = %{{x:,}}<br>attention {value}<extra></extra>"


def _colour(figure: go.Figure, stops: Sequence[float], colours: Sequence[str]) -> go.Figure:
    """Colour values by powers of ten, while they stay what they are; a bar beside it with the powers evenly spaced.

    A heat map has no logarithmic colours. So the stops of its linear scale stand at the powers, and the bar, which
    could not show them, belongs to a point that is not drawn.
    """
    low, high = min(stops[0], 0.0), stops[-1]
    places = [(stop - low) / (high - low) for stop in stops]
    scale = list(zip(places, colours, strict=True))
    figure.update_layout(
        coloraxis={"cmin": low, "cmax": high, "showscale": False,
                   "colorscale": scale if places[0] == 0 else [(0.0, colours[0]), *scale]}
    )  # fmt: skip
    even = [place / (len(stops) - 1) for place in range(len(stops))]
    bar = {
        "tickvals": even, "ticktext": [f"{stop:g}" for stop in stops], "title": "attention", "outlinewidth": 0,
        "thickness": 12, "tickcolor": INK,
    }  # fmt: skip
    marker = {
        "color": [0], "cmin": 0, "cmax": 1, "colorscale": list(zip(even, colours, strict=True)), "showscale": True,
        "colorbar": bar,
    }  # fmt: skip
    return figure.add_scatter(x=[None], y=[None], mode="markers", marker=marker, showlegend=False, hoverinfo="skip")
