"""What every figure looks like, in light and in dark: the page behind shines through and greys read on both."""

import plotly.graph_objects as go

INK = "#808080"
"""Text and axes: at least 3.9 to 1 against white and near-black."""


MOST_CELLS = 512
"""More cells a side of a heat map than this no screen can show, and no figure can carry."""


def plain_layout(title: str) -> go.Layout:
    """A layout without a background of its own; the page may overrule the colours with its theme's."""
    axis = {"linecolor": INK, "gridcolor": "rgba(128, 128, 128, 0.2)", "zerolinecolor": "rgba(128, 128, 128, 0.4)"}
    return go.Layout(
        template="none",
        title={"text": title, "font": {"size": 14}, "x": 0.01, "xanchor": "left"},
        font={"color": INK},
        paper_bgcolor="rgba(0, 0, 0, 0)",
        plot_bgcolor="rgba(0, 0, 0, 0)",
        margin={"l": 60, "r": 20, "t": 50, "b": 50},
        xaxis=axis,
        yaxis=axis,
    )
