"""Results drawn: passkey grids, scores against length, quality against cost, surprise by position."""

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go

from ..drawing.curves import mark_trained, small_multiples
from ..drawing.layout import INK, plain_layout
from ..drawing.palette import DASHES, MARKERS, colour, dash, marker
from .tables import GridRecord, ScoreTable

FOUND = ((0.0, "#a33b00"), (0.5, "#ffb347"), (1.0, "#1d4f91"))
"""None, half, all."""
LIMIT = "#f464d3"
"""Stands out from all three, in light and in dark."""
COLUMNS = 3


def grid_figure(records: Sequence[GridRecord]) -> go.Figure:
    """Keys found by length and depth, a grid for each method, with a plain line where its reach ends and a dotted one
    where it no longer sees the whole text. A cell's customdata is (length, depth)."""
    figure = small_multiples("keys found", [grid_title(record) for record in records], min(COLUMNS, len(records)))
    for number, record in enumerate(records):
        row, column = number // min(COLUMNS, len(records)) + 1, number % min(COLUMNS, len(records)) + 1
        text = [
            [f"{f}/{n}" if n else "" for f, n in zip(*pair, strict=True)]
            for pair in zip(record.found, record.trials, strict=True)
        ]
        cells = [[[int(length), float(depth)] for length in record.length] for depth in record.depth]
        figure.add_heatmap(
            z=record.share, x=np.arange(len(record.length)), y=np.arange(len(record.depth)), text=text,
            texttemplate="%{text}", zmin=0, zmax=1, colorscale=[list(stop) for stop in FOUND], showscale=False,
            customdata=cells, xgap=1, ygap=1, name=record.label, row=row, col=column,
            hovertemplate="%{customdata[0]:,} tokens, key at %{customdata[1]:.0%}: %{text} found<extra></extra>",
        )  # fmt: skip
        for limits, kind in ((record.reach, "solid"), (record.sight, "dot")):
            place = limit_place(record.length, limits)
            if place is not None:
                figure.add_vline(place, line={"color": LIMIT, "width": 3, "dash": kind}, row=row, col=column)
    first = records[0]
    ticks = {"tickvals": np.arange(len(first.length)), "ticktext": [f"{length:,}" for length in first.length]}
    figure.update_xaxes(title_text="length [tokens]", range=[-0.5, len(first.length) - 0.5], **ticks)
    depths = [f"{depth:.0%}" for depth in first.depth]
    figure.update_yaxes(tickvals=np.arange(len(depths)), ticktext=depths, range=[len(depths) - 0.5, -0.5])
    return figure.update_layout(hovermode="closest")


def limit_place(lengths: np.ndarray, limits: np.ndarray) -> float | None:
    """Half a column before the first whose texts are longer than their limit; None when there is none."""
    beyond = np.flatnonzero(lengths > limits)
    return int(beyond[0]) - 0.5 if len(beyond) else None


def grid_title(record: GridRecord) -> str:
    """The method, and below it the limits that its lines stand for."""
    said = []
    for limits, words in ((record.reach, "reach"), (record.sight, "sees all of")):
        known = limits[np.isfinite(limits)]
        if len(known):
            ends = dict.fromkeys(f"{limit:,.0f}" for limit in (known.min(), known.max()))
            said.append(f"{words} {' to '.join(ends)}")
    return f"{record.label}<br><sup>{', '.join(said) or 'no limit'}</sup>"


def lines_figure(table: ScoreTable, unit: str, logarithmic: bool = False) -> go.Figure:
    """A line per method over lengths."""
    figure = small_multiples(table.score if unit == table.score else f"{table.score} [{unit}]", [""])
    methods = table.method.tolist()
    for number, key in enumerate(methods):
        again = methods[:number].count(key)  # the same method with other parameters: same colour, another dash
        figure.add_scatter(
            x=table.length, y=table.value[number], mode="lines+markers", name=str(table.label[number]),
            line={"color": colour(key), "dash": DASHES[again % len(DASHES)] if again else dash(key), "width": 2},
            marker={"symbol": MARKERS[again % len(MARKERS)] if again else marker(key)}, hovertemplate="%{y:.4g}",
        )  # fmt: skip
    ticks = {"tickvals": table.length, "ticktext": [f"{length:,}" for length in table.length]}
    figure.update_xaxes(title_text="length [tokens]", type="log", **ticks)
    figure.update_yaxes(title_text=unit, **(_logarithmic(table.value) if logarithmic else {"type": "linear"}))
    mark_trained(figure, table.train_length)
    return figure.update_layout(height=420, showlegend=True)


def _logarithmic(values: np.ndarray) -> dict[str, object]:
    """A logarithmic axis whose ticks are whole numbers: plotly's own say 2 and 5 between 10 and 100."""
    known = values[np.isfinite(values) & (values > 0)]
    if not len(known) or known.max() < 3 * known.min():
        return {"type": "log"}  # a narrow range: plotly counts it evenly
    powers = range(int(np.floor(np.log10(known.min()))), int(np.ceil(np.log10(known.max()))) + 1)
    ticks = [digit * 10.0**power for power in powers for digit in (1, 3)]
    return {"type": "log", "tickvals": ticks, "ticktext": [f"{tick:,g}" for tick in ticks]}


def bands_figure(title: str, curves: Sequence[tuple[str, str, np.ndarray]], band: int, train_length: int) -> go.Figure:
    """Mean NLL by band of positions: (method key, label, (band,) NLL [nats]) for each curve."""
    figure = small_multiples(title, [""])
    for key, label, values in curves:
        figure.add_scatter(
            x=(np.arange(len(values)) + 0.5) * band, y=values, mode="lines", name=label,
            line={"color": colour(key), "dash": dash(key), "width": 2}, hovertemplate="%{y:.2f} nats",
        )  # fmt: skip
    figure.update_xaxes(title_text="position [tokens]")
    figure.update_yaxes(title_text="nats per token")
    mark_trained(figure, train_length)
    return figure.update_layout(height=420)


def trade_off_figure(title: str, points: Sequence[tuple[str, str, float, float]], quality: str, cost: str) -> go.Figure:
    """Quality against cost: (method key, label, cost, quality) for each point; one method's points are joined."""
    figure = go.Figure(layout=plain_layout(title))
    for key in dict.fromkeys(point[0] for point in points):
        chosen = sorted(point[2:] + point[1:2] for point in points if point[0] == key)
        figure.add_scatter(
            x=[point[0] for point in chosen], y=[point[1] for point in chosen], text=[point[2] for point in chosen],
            mode="lines+markers+text", textposition="top center", showlegend=False, textfont={"color": INK},
            line={"color": colour(key), "dash": dash(key)}, marker={"symbol": marker(key), "size": 9},
            hovertemplate="%{text}: %{y:.3g} for %{x:.3g}<extra></extra>",
        )  # fmt: skip
    figure.update_xaxes(title_text=cost)
    figure.update_yaxes(title_text=quality)
    return figure.update_layout(height=420)
