"""Largest attention logits against length (LM-Infinite, figure 1a)."""

from collections.abc import Sequence

import plotly.graph_objects as go

from ..drawing.curves import (
    add_band,
    lines_on_top,
    mark_trained,
    of_heads,
    over_heads,
    run_edges,
    small_multiples,
    spread_layers,
)
from ..runs import Run
from .observed import LogitRecord


def logits_figure(
    runs: Sequence[Run],
    records: Sequence[LogitRecord],
    mark: int | None = None,
    statistic: str = "largest",
    columns: int = 2,
    heads: Sequence[int] | None = None,
) -> go.Figure:
    """One panel per layer (six at most, evenly spread), one line per run: the mean over heads, on a band over heads.

    `heads`: only these. `statistic` is the record's field: `largest`, `mean` or `spread`. Neighbouring queries share a
    point.
    """
    meaning = next(spec.metadata["meaning"] for spec in LogitRecord.arrays() if spec.name == statistic)
    shown = spread_layers(len(records[0].layer))
    names = [f"layer {records[0].layer[place]}" for place in shown]
    figure = small_multiples(f"{meaning}, {over_heads(heads)}", names, columns)
    columns = min(columns, len(names))
    for panel, place in enumerate(shown):
        for run, record in zip(runs, records, strict=True):
            add_band(
                figure, run, record.position, of_heads(getattr(record, statistic)[place], heads),
                {"row": panel // columns + 1, "col": panel % columns + 1}, legend=panel == 0, hover="%{y:.2f}",
                edges=run_edges(len(record.position)),
            )  # fmt: skip
    figure.update_xaxes(title_text="position [tokens]", row=-(-len(names) // columns))
    mark_trained(figure, records[0].train_length, mark)
    return lines_on_top(figure).update_layout(meta={"x": "position"})
