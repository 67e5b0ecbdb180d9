"""Hidden states in the plane or in space (LM-Infinite, figure 1c); and which tokens receive attention."""

from typing import Any

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from ..drawing.curves import with_legend_above
from ..drawing.layout import INK, plain_layout
from ..drawing.palette import MARKERS
from ..runs import Run
from .clusters import ClusterRecord
from .observed import SinkRecord

POSITIONS = ((0.0, "#7b3fa0"), (0.5, "#2a9d8f"), (1.0, "#d9c22b"))
MOST_DRAWN = 2048
"""Points of one depth and text that are drawn; the record keeps all."""

SINK_NAMES = 12
SIZES = {True: (4, 10), False: (2, 5)}
"""Points of ordinary and of starting tokens in the plane, and in space, where they hide each other."""

LONGEST_NAME = 24  # characters of a text's name in a legend


def clusters_figure(record: ClusterRecord, mark: int | None = None, columns: int = 1) -> go.Figure:
    """One panel per depth. Colour: position. Large with a rim: starting tokens. Shape: which text.

    A ring stands around the token nearest to the marked position that is drawn.
    """
    flat = record.coordinates.shape[-1] == 2
    columns = min(columns, len(record.depth))
    rows = -(-len(record.depth) // columns)
    figure = make_subplots(
        rows, columns, subplot_titles=[_name(record, depth) for depth in range(len(record.depth))],
        specs=[[{"type": "xy" if flat else "scene"}] * columns] * rows, horizontal_spacing=0.06,
        vertical_spacing=min(0.1, 0.3 / rows),
    )  # fmt: skip
    layout = plain_layout(f"{record.caption}: hidden states by {record.projection.upper()}")
    figure.update_layout(layout)
    axis = layout.xaxis.to_plotly_json() | {"showticklabels": False}
    figure.update_xaxes(axis)
    figure.update_yaxes(axis)
    figure.update_scenes(
        {f"{name}axis": {"showbackground": False, "showticklabels": False, "color": INK} for name in "xyz"}
    )
    for depth in range(len(record.depth)):
        for text in range(len(record.texts)):
            _add_text(figure, record, depth, text, {"row": depth // columns + 1, "col": depth % columns + 1}, flat)
        if mark is not None:
            _add_ring(figure, record, depth, mark, {"row": depth // columns + 1, "col": depth % columns + 1}, flat)
    figure.update_annotations(font={"size": 12, "color": INK})
    bar = {
        "title": {"text": "position", "side": "bottom", "font": {"size": 12}}, "outlinewidth": 0, "thickness": 10,
        "orientation": "h", "y": 0, "yref": "container", "yanchor": "bottom",
    }  # fmt: skip
    room = 64 + 28 * 2 * len(record.texts)  # in a narrow column every name has a line of its own
    return with_legend_above(figure, room + 20 + (330 if columns > 1 else 270) * rows, room).update_layout(
        coloraxis={"colorscale": list(POSITIONS), "cmin": 0, "cmax": int(record.position.max()), "colorbar": bar},
        meta={"x": "component"},
        margin_b=80,
    )


def _name(record: ClusterRecord, depth: int) -> str:
    after = record.depth[depth]
    name = "embedding" if after == 0 else f"after layer {after - 1}"
    if np.isfinite(record.explained[depth]).all():
        name += " · " + " + ".join(f"{share:.0%}" for share in record.explained[depth]) + " of variance"
    return f"{name}<br>separation {record.separation[depth]:.1f} (others {record.ordinary[depth]:.1f})"


def _add_text(figure: go.Figure, record: ClusterRecord, depth: int, text: int, at: dict[str, int], flat: bool) -> None:
    for starting in (False, True):
        chosen = np.flatnonzero((record.text == text) & (record.starting == starting))
        chosen = chosen[:: -(-len(chosen) // MOST_DRAWN) or 1]
        marker: dict[str, Any] = {
            "color": record.position[chosen], "coloraxis": "coloraxis", "size": SIZES[flat][starting],
            "symbol": MARKERS[text % 3], "line": {"width": (0, 2)[starting], "color": INK},
            "opacity": (0.6, 1)[starting],
        }  # fmt: skip
        coordinates = dict(zip("xyz", record.coordinates[depth, chosen].T, strict=False))
        kind = go.Scatter if flat else go.Scatter3d
        trace = kind(
            **coordinates, mode="markers", marker=marker, showlegend=depth == 0,
            name=_trace_name(record, text, starting), legendgroup=f"{text} {starting}",
            text=[f"{token!r}, position {at_:,}" for token, at_ in zip(record.token[chosen].tolist(),
                  record.position[chosen].tolist(), strict=True)],
            customdata=record.position[chosen], hovertemplate="%{text}<extra></extra>",
        )  # fmt: skip
        figure.add_trace(trace, **at)


def _trace_name(record: ClusterRecord, text: int, starting: bool) -> str:
    which = "first tokens" if starting else "others"
    if len(record.texts) == 1:
        return which
    name = record.texts[text]
    return f"{name if len(name) <= LONGEST_NAME else name[: LONGEST_NAME - 1] + '…'}, {which}"


def _add_ring(figure: go.Figure, record: ClusterRecord, depth: int, mark: int, at: dict[str, int], flat: bool) -> None:
    place = int(np.abs(record.position - mark).argmin())
    kind = go.Scatter if flat else go.Scatter3d
    ring = {"symbol": "circle-open", "size": 18, "color": INK, "line": {"width": 3, "color": INK}}
    coordinates = dict(zip("xyz", record.coordinates[depth, place][:, None], strict=False))
    name = f"position {record.position[place]:,}: {str(record.token[place])!r}"
    trace = kind(**coordinates, mode="markers", marker=ring, name=name, hoverinfo="skip", showlegend=depth == 0)
    figure.add_trace(trace, **at)


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
    figure.update_yaxes(autorange="reversed", automargin=True)
    return with_legend_above(figure, 160 + 24 * len(names), room=80).update_layout(meta={"x": "share"})
