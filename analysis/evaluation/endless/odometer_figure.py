"""How far reading stays what it is: negative log-likelihood, speed and memory along a text, by powers of ten."""

import numpy as np
import plotly.graph_objects as go

from ...drawing.curves import line_of, lines_on_top, mark_trained, short, small_multiples
from ...drawing.drawn_figure import DrawnFigure
from ...drawing.layout import INK
from .odometer_record import OdometerRecord

LOOK = (
    "Look for lines that stay level from the trained length, the dotted line, to the end. Where the texts begin again, "
    "every lap has the same tokens, so that a difference between two laps is one of position alone."
)
PAPER = "LM-Infinite, figure 4"
RECORDED = {"opacity": 0.45, "marker": {"size": 3, "symbol": "circle-open"}}


def odometer_figures(record: OdometerRecord, beside: OdometerRecord | None = None) -> list[DrawnFigure]:
    """The three curves; behind them, fainter, the negative log-likelihood of a reading that was recorded before."""
    nll = _over_positions("negative log-likelihood, stretch by stretch", "nats per token")
    if beside is not None:
        _add_curves(nll, beside, beside.nll, ".3f", "recorded: ", **RECORDED)
    _add_curves(nll, record, record.nll, ".3f")
    own = ", per second of processor time" if record.device == "cpu" else ""
    speed = _over_positions(f"reading speed{own}", "tokens per second")
    _add_curves(speed, record, record.rate, ",.0f")
    figures = {"nll": lines_on_top(nll), "speed": lines_on_top(speed), "memory": _memory(record)}
    for figure in figures.values():
        mark_trained(figure, record.train_length)
    return [DrawnFigure(name, figure) for name, figure in figures.items()]


def middle(record: OdometerRecord) -> np.ndarray:
    """(stretch,) where a stretch stands on a logarithmic axis."""
    return np.sqrt(np.maximum(record.begin, 1) * record.end.astype(np.float64))


def _add_curves(
    figure: go.Figure, record: OdometerRecord, values: np.ndarray, shown: str, prefix: str = "", **looks: object
) -> None:
    """`values` (run, stretch), one line a run."""
    looks = {"marker": {"size": 4}, **looks}
    for run, mine in zip(record.runs(), values, strict=True):
        figure.add_scatter(
            x=middle(record), y=short(mine), mode="lines+markers", name=f"{prefix}{run.label}",
            legendgroup=f"{prefix}{run.id}", line=line_of(run), customdata=np.stack((record.begin, record.end), 1),
            hovertemplate=f"tokens %{{customdata[0]:,}} to %{{customdata[1]:,}}: %{{y:{shown}}}", **looks,
        )  # fmt: skip


def _memory(record: OdometerRecord) -> go.Figure:
    held = "memory of the whole process" if record.device == "cpu" else "memory held on the device"
    figure = _over_positions(held, "MB")
    figure.add_scatter(
        x=record.end, y=short(record.resident / 1e6), mode="lines+markers", name="resident", showlegend=False,
        line={"color": INK, "width": 2}, marker={"size": 4}, hovertemplate="%{x:,} tokens: %{y:,.0f} MB",
    )  # fmt: skip
    return figure


def _over_positions(title: str, unit: str) -> go.Figure:
    figure = small_multiples(title, [""])
    figure.update_xaxes(type="log", title_text="position [tokens]", dtick=1, tickformat="~s")
    figure.update_yaxes(title_text=unit, rangemode="tozero")
    return figure
