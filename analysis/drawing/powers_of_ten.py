"""Colours that change at powers of ten, for values that differ by orders of magnitude."""

from collections.abc import Sequence

import plotly.graph_objects as go

from .layout import INK


def colour_by_powers(figure: go.Figure, stops: Sequence[float], colours: Sequence[str]) -> go.Figure:
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
