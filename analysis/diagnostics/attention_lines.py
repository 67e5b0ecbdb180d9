"""One head over a short stretch of text, token to token: a line from each query to each key that it looks at."""

import numpy as np
import plotly.graph_objects as go

from ..drawing.layout import INK, plain_layout
from .attention_map import AttentionMap

MOST_TOKENS = 128
"""Of a stretch; past it neither words nor lines can be told apart."""

LEAST = 0.01
"""Attention below which no line is drawn; the hover tells it all the same, where it is among the most."""

LINE = "#3b86cc"
"""On white and on near-black alike."""

SHADES = 10
NAMED = 8
"""Keys that the hover of a query names."""


def can_be_drawn(record: AttentionMap) -> bool:
    """Whether the map is exact, and all of its queries and keys stand in one stretch that is short enough."""
    ends = (*record.queries, *record.keys)
    return record.exact and max(ends) - min(ends) <= MOST_TOKENS


def lines_figure(record: AttentionMap, layer: int, head: int) -> go.Figure:
    """Left the queries, right the keys, each at its position; the stronger a line, the more of its attention a query
    gives to the key. For maps that `can_be_drawn`; raises `LongSightError` on a layer or head that it does not hold."""
    weight = np.nan_to_num(record.of_head(layer, head))
    title = f"{record.caption}: layer {layer}, head {head}, lines from {LEAST:.0%} of attention on"
    figure = go.Figure(layout=plain_layout(title))
    shades = np.ceil(weight * SHADES).astype(int)  # 1 to SHADES
    for shade in range(1, SHADES + 1):
        rows, columns = np.nonzero((shades == shade) & (weight >= LEAST))
        ends = record.query_position[rows], record.key_position[columns], np.full(len(rows), np.nan)
        figure.add_scatter(
            x=np.tile([0.0, 1.0, np.nan], len(rows)), y=np.stack(ends, 1).ravel(), mode="lines", hoverinfo="skip",
            showlegend=False, line={"color": LINE, "width": 0.5 + 2.5 * shade / SHADES}, opacity=shade / SHADES,
        )  # fmt: skip
    _add_words(figure, 0.0, record.query_position, record.query_token, [_told(record, row) for row in weight])
    looked_at = [f"looked at with {share:.2f} in all" for share in weight.sum(0)]
    _add_words(figure, 1.0, record.key_position, record.key_token, looked_at)
    figure.update_xaxes(
        range=[-0.6, 1.6], tickvals=[0, 1], ticktext=["query", "key"], side="top", showgrid=False, zeroline=False,
        title_text="who looks, and at whom", fixedrange=True,
    )  # fmt: skip
    figure.update_yaxes(title_text="position [tokens]", autorange="reversed", showgrid=False, zeroline=False)
    tokens = max(*record.queries, *record.keys) - min(*record.queries, *record.keys)
    return figure.update_layout(
        height=140 + 15 * max(tokens, 8), margin={"t": 90}, hovermode="closest", meta={"y": "query"}
    )


def _told(record: AttentionMap, row: np.ndarray) -> str:
    """The keys that a query looks at most, with what it gives them."""
    most = [place for place in np.argsort(row)[::-1][:NAMED] if row[place] > 0]
    return "<br>".join(f"{row[at]:.1%} on {str(record.key_token[at])!r} at {record.key_position[at]:,}" for at in most)


def _add_words(figure: go.Figure, x: float, positions: np.ndarray, tokens: np.ndarray, told: list[str]) -> None:
    figure.add_scatter(
        x=np.full(len(positions), x), y=positions, mode="text", text=[repr(str(token))[1:-1] for token in tokens],
        textposition="middle right" if x else "middle left", textfont={"size": 11, "color": INK}, showlegend=False,
        customdata=told, hovertemplate="%{text} at %{y:,}<br>%{customdata}<extra></extra>",
    )  # fmt: skip
