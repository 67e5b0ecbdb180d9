"""How far reading stays what it is: negative log-likelihood, speed and memory along a text, by powers of ten."""

import numpy as np
import plotly.graph_objects as go

from ...drawing.curves import line_of, lines_on_top, mark_trained, short, small_multiples
from ...drawing.drawn_figure import DrawnFigure
from ...drawing.layout import INK
from .odometer_record import OdometerRecord

LOOK = (
    "Look for lines that stay level from the trained length, the dotted line, to the end. Where the text begins again, "
    "every lap has the same tokens, so that a difference between two laps is one of position alone."
)
PAPER = "LM-Infinite, figure 4"


def odometer_figures(record: OdometerRecord) -> list[DrawnFigure]:
    """The three curves."""
    return [
        DrawnFigure("nll", _curves(record, record.nll, "negative log-likelihood, by stretches", "nats per token")),
        DrawnFigure("speed", _curves(record, record.rate, "reading speed", "tokens per second" + " of processor time" * (record.device == "cpu"), ",.0f")),
        DrawnFigure("memory", _memory(record)),
    ]  # fmt: skip


def middle(record: OdometerRecord) -> np.ndarray:
    """(stretch,) where a stretch stands on a logarithmic axis."""
    return np.sqrt(np.maximum(record.begin, 1) * record.end.astype(np.float64))


def _curves(record: OdometerRecord, values: np.ndarray, title: str, unit: str, shown: str = ".3f") -> go.Figure:
    """`values` (run, stretch), one line a run."""
    figure = _over_positions(record, title, unit)
    for run, mine in zip(record.runs(), values, strict=True):
        figure.add_scatter(
            x=middle(record), y=short(mine), mode="lines+markers", name=run.label, legendgroup=run.id,
            line=line_of(run), marker={"size": 4}, customdata=np.stack((record.begin, record.end), 1),
            hovertemplate=f"tokens %{{customdata[0]:,}} to %{{customdata[1]:,}}: %{{y:{shown}}}",
        )  # fmt: skip
    return lines_on_top(figure)


def _memory(record: OdometerRecord) -> go.Figure:
    figure = _over_positions(record, "memory of the whole process", "MB")
    figure.add_scatter(
        x=record.end, y=short(record.resident / 1e6), mode="lines+markers", name="resident", showlegend=False,
        line={"color": INK, "width": 2}, marker={"size": 4}, hovertemplate="%{x:,} tokens: %{y:,.0f} MB",
    )  # fmt: skip
    return figure


def _over_positions(record: OdometerRecord, title: str, unit: str) -> go.Figure:
    figure = small_multiples(title, [""])
    figure.update_xaxes(type="log", title_text="position [tokens]", dtick=1, tickformat="~s")
    figure.update_yaxes(title_text=unit, rangemode="tozero")
    mark_trained(figure, record.train_length)
    return figure
