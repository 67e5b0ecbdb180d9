"""The distance map: what a method tells the model, seen from above."""

import numpy as np
import plotly.graph_objects as go

from ..drawing.layout import plain_layout
from ..drawing.palette import SEEN, UNSEEN
from .distance_map import DistanceMap

NUMBERED_TOKENS = 24
"""Up to this many tokens the distances are written into the cells, as in figure 2 of the LM-Infinite paper."""

FULL_HOVER_CELLS = 256
"""Past this many cells a side, the true distance and the band leave the hover, to keep the figure under 2 MB."""


def distance_figure(record: DistanceMap) -> go.Figure:
    """The map as a heat map: queries downwards, keys to the right, hidden pairs blank.

    The colours depend on the trained length alone, so maps of one model can be compared by eye: blue up to the trained
    length, orange beyond it.
    """
    figure = go.Figure(_heatmap(record), plain_layout(record.caption))
    figure.update_xaxes(title_text="key position j", constrain="domain", showgrid=False, zeroline=False)
    figure.update_yaxes(
        title_text="query position i",
        autorange="reversed",
        scaleanchor="x",
        constrain="domain",
        showgrid=False,
        zeroline=False,
    )
    return figure


def colour_scale(train_length: int) -> list[tuple[float, str]]:
    """Colours over 0 to `2 * train_length`, with the break half-way between the trained length and one token more."""
    edge = (train_length + 0.5) / (2 * train_length)
    return [(0.0, SEEN[0]), (edge, SEEN[1]), (edge, UNSEEN[0]), (1.0, UNSEEN[1])]


def _heatmap(record: DistanceMap) -> go.Heatmap:
    length = record.train_length
    heatmap = go.Heatmap(
        x=record.key_position,
        y=record.query_position,
        z=record.effective.astype(np.float32),  # half the size, and exact up to 16 million tokens
        zmin=0,
        zmax=2 * length,
        colorscale=colour_scale(length),
        colorbar={
            "title": {"text": "effective distance [tokens]", "side": "right"},
            "tickvals": [0, length // 2, length, 2 * length],
            "ticktext": ["0", f"{length // 2:,}", f"{length:,} (trained)", f"{2 * length:,} or more"],
            "outlinewidth": 0,
        },
        hoverongaps=False,
        hovertemplate="query i = %{y:,}, key j = %{x:,}<br>effective distance %{z:,~f}" + _cell(record),
    )
    if len(record.query_position) <= FULL_HOVER_CELLS:
        heatmap.update(
            customdata=np.where(record.visible, record.distance, 0).astype(np.int32 if record.n < 2**31 else np.int64),
            text=_words(record),
            hovertemplate="query i = %{y:,}, key j = %{x:,}<br>true distance %{customdata:,}<br>"
            "effective distance %{z:,~f}<br>%{text}" + _cell(record),
        )
    if record.exact and record.n <= NUMBERED_TOKENS:
        heatmap.update(texttemplate="%{z:.4~g}", xgap=1, ygap=1)
    return heatmap


def _cell(record: DistanceMap) -> str:
    side = f"{record.tokens_per_cell:,.1f}"
    return "<extra></extra>" if record.exact else f"<extra>one exact pair<br>for {side} x {side} tokens</extra>"


def _words(record: DistanceMap) -> list[list[str]]:
    """For every cell its band and whether training showed the distance; empty where hidden."""
    seen = np.array([*record.bands, ""])
    unseen = np.array([f"{name}, unseen" for name in record.bands] + [""])
    return np.where(record.unseen, unseen[record.band], seen[record.band]).tolist()
