"""Passkey grids: keys found by length and depth, a grid for each method."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go

from ..drawing.curves import small_multiples
from .grid_record import GridRecord

FOUND = ((0.0, "#ffb347"), (0.5, "#8a7f7a"), (1.0, "#1d4f91"))
"""None, half, all: the more are found, the darker, so that half of them do not shine out."""
LIMIT = "#d63fb4"
"""Stands out from all three, in light and in dark."""
COLUMNS = 3


def grid_figure(records: Sequence[GridRecord]) -> go.Figure:
    """Keys found by length and depth, a grid for each method, with a plain line where its reach ends and a dotted one
    where it no longer sees the whole text. A cell's customdata is (length, depth)."""
    columns = min(COLUMNS, len(records))
    figure = small_multiples("keys found", [grid_title(record) for record in records], columns)
    for number, record in enumerate(records):
        row, column = number // columns + 1, number % columns + 1
        text = [
            [f"{f}/{n}" if n else "" for f, n in zip(*pair, strict=True)]
            for pair in zip(record.found, record.trials, strict=True)
        ]
        cells = [[[int(length), float(depth)] for length in record.length] for depth in record.depth]
        figure.add_heatmap(
            z=record.share, x=np.arange(len(record.length)), y=np.arange(len(record.depth)), text=text,
            texttemplate="%{text}", coloraxis="coloraxis", customdata=cells, xgap=1, ygap=1, name=record.label,
            row=row, col=column,
            hovertemplate="%{customdata[0]:,} tokens, key at %{customdata[1]:.0%}: %{text} found<extra></extra>",
        )  # fmt: skip
        for limits, kind in ((record.reach, "solid"), (record.sight, "dot")):
            place = limit_place(record.length, limits)
            if place is not None:
                figure.add_vline(place, line={"color": LIMIT, "width": 3, "dash": kind}, row=row, col=column)
    first = records[0]
    ticks = {"tickvals": np.arange(len(first.length)), "ticktext": [f"{length:,}" for length in first.length]}
    figure.update_xaxes(range=[-0.5, len(first.length) - 0.5], autotickangles=[0, -90], **ticks)
    for column in range(1, columns + 1):
        title = "length [tokens]" if columns < COLUMNS or column == 2 else None  # three would run into each other
        lowest = (len(records) - column) // columns + 1
        figure.update_xaxes(title_text=title, showticklabels=True, row=lowest, col=column)
    depths = [f"{depth:.0%}" for depth in first.depth]
    figure.update_yaxes(title_text="depth of the key", col=1)
    figure.update_yaxes(tickvals=np.arange(len(depths)), ticktext=depths, range=[len(depths) - 0.5, -0.5])
    return figure.update_layout(hovermode="closest", coloraxis=_colours())


def _colours() -> dict[str, Any]:
    """One scale for all grids, and its key beside them."""
    ticks = {"tickvals": [0, 1], "ticktext": ["none", "all"], "tickangle": 0}
    key = {"title": {"text": "found", "side": "top"}, "thickness": 10, "outlinewidth": 0, **ticks}
    return {"cmin": 0, "cmax": 1, "colorscale": [list(stop) for stop in FOUND], "colorbar": key}


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
