"""Scores in a report: a table and a figure for each of them, with a line per method over the length of the text."""

from collections.abc import Mapping, Sequence

import numpy as np
import plotly.graph_objects as go

from ..drawing.curves import mark_trained, small_multiples
from ..drawing.palette import colour, dash, marker, repeats
from .report_parts import ReportPart
from .row import Row
from .score_table import ScoreTable, count_cases, in_words, score_of, score_table, three_digits, titled


def score_part(title: str, look: str, scores: Mapping[str, str], rows: Sequence[Row]) -> ReportPart:
    """What a report has of a task that says nothing more: `scores` by name, with their meaning; comparable `rows`."""
    task, model = rows[0].task, rows[0].model.name
    tables = {name: score_table(rows, name, score_of(name)) for name in scores}
    known = {name: table for name, table in tables.items() if np.isfinite(table.value).any()}
    return ReportPart(
        titled(title, task.text, model),
        look,
        [in_words(t, f"{name}: {scores[name]}; {count_cases(rows)}", three_digits) for name, t in known.items()],
        {f"{task.key}-{name}-{model}": lines_figure(table, name) for name, table in known.items()},
    )


def lines_figure(table: ScoreTable, unit: str, logarithmic: bool = False) -> go.Figure:
    """A line per method over lengths."""
    figure = small_multiples(table.score if unit == table.score else f"{table.score} [{unit}]", [""])
    methods = table.method.tolist()
    for number, (key, again) in enumerate(zip(methods, repeats(methods), strict=True)):
        figure.add_scatter(
            x=table.length, y=table.value[number], mode="lines+markers", name=str(table.label[number]),
            line={"color": colour(key, again), "dash": dash(key, again), "width": 2},
            marker={"symbol": marker(key, again)}, hovertemplate="%{y:.4g}",
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
