"""Attention logits: how large they grow along the text (LM-Infinite, figure 1a)."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
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
from ..drawing.drawn_figure import DrawnFigure
from ..export.records import array
from ..runs import Run
from .attention_block import AttentionWeights
from .base import Panel, first
from .observed import AttentionObserved
from .probing import QueryProbe


@dataclass(frozen=True, eq=False)
class LogitRecord(AttentionObserved):
    """Attention logits: before the softmax, after scaling, over the keys that a query sees."""

    largest: np.ndarray = array("layer head query", "largest |logit|")
    mean: np.ndarray = array("layer head query", "mean logit")
    spread: np.ndarray = array("layer head query", "standard deviation of the logits")


class LogitProbe(QueryProbe):
    """Largest |logit|, mean and spread over the visible keys."""

    def see(self, view: AttentionWeights) -> None:
        super().see(view)
        self.keep("largest", view, view.largest)
        self.keep("mean", view, view.mean)
        self.keep("spread", view, view.spread)

    def record(self) -> LogitRecord:
        return LogitRecord(
            **self.common(), largest=self.kept("largest"), mean=self.kept("mean"), spread=self.kept("spread")
        )


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
    figure.update_yaxes(title_text="logit", col=1)
    mark_trained(figure, records[0].train_length, mark)
    return lines_on_top(figure).update_layout(meta={"x": "position"})


LOGITS = Panel(
    key="logits",
    title="Logits",
    look="Look for curves that leave their level once they pass the dotted line, the trained length. Theorem "
    "1: a model that tells ever more distances apart must let its logits grow without bound.",
    paper="LM-Infinite, figure 1a",
    probes=lambda options: [partial(LogitProbe, layers=options.layers)],
    names=lambda options: ("logits",),
    draw=lambda runs, records, options: [
        DrawnFigure("logits", logits_figure(runs, first(records), options.mark, heads=options.heads))
    ],
    measures=("layers", "most_queries"),
    draws=("heads", "mark"),
)
