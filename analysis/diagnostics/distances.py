"""Effective distances that a model is shown and attends to, beside those that it was trained on (LM-Infinite, figure 2;
SelfExtend, figure 2)."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import plotly.graph_objects as go
import torch

from ..drawing.curves import line_of, mark_trained, short, small_multiples
from ..drawing.drawn_figure import DrawnFigure
from ..drawing.layout import INK
from ..export.records import array, value
from ..runs import Run
from .attention_block import AttentionWeights
from .base import Panel, first
from .observed import Observed
from .probing import Probe
from .reading import Reading

BINS_IN_TRAINING = 64
MOST_BINS = 4096
EDGE = 1e-4
"""Part of a bin by which a fractional distance may lie above its edge and still count as on it: rounding."""


@dataclass(frozen=True, eq=False)
class DistanceRecord(Observed):
    """Effective distances that the model is shown, beside those of its training; where groups of frequencies are told
    different ones, those of the slowest.

    Bin b holds distances d with `ceil(d / width) = b`, so that bin 0 is the query itself and the trained length, which
    stands for everything beyond under a ceiling, falls into the last familiar bin.
    """

    sampling: str = value("which queries were measured")
    queries: int = value("how many queries were measured")
    width: int = value("width of a bin", "tokens")
    layer: np.ndarray = array("layer", "number of the layer, from 0")
    upper: np.ndarray = array("bin", "largest effective distance of the bin", "tokens")
    shown: np.ndarray = array("bin", "keys shown at this distance, per query", "keys")
    trained: np.ndarray = array("bin", "keys at this distance, per query, in a text of the trained length", "keys")
    possible: np.ndarray = array("bin", "keys at this distance that one query of such a text sees at most", "keys")
    attended: np.ndarray = array("layer bin", "attention at this distance, mean over heads and queries", "share")

    @property
    def unseen(self) -> np.ndarray:
        """(bin) whether the bin lies beyond the trained length."""
        return self.upper > self.train_length


class DistanceProbe(Probe):
    """A histogram of the effective distances shown, and of those attended to."""

    def __init__(self, reading: Reading, layers: tuple[int, ...] | None = None) -> None:
        super().__init__(reading)
        self.layers = reading.chosen_layers(layers)
        self.width = max(1, reading.model.train_length // BINS_IN_TRAINING)
        while reading.n > self.width * (MOST_BINS - 2):
            self.width *= 2
        bins = math.ceil(max(reading.n, reading.model.train_length) / self.width) + 1
        self._shown = torch.zeros(bins, dtype=torch.float64)
        self._attended = torch.zeros(len(self.layers), bins, dtype=torch.float64)
        self._rows = [0] * len(self.layers)

    def see(self, view: AttentionWeights) -> None:
        place = self.layers.index(view.layer)
        bins = (view.distance / self.width - EDGE).ceil_().long().clamp_(0, len(self._shown) - 1).flatten()
        mass = torch.bincount(bins, view.over_heads().flatten(), minlength=len(self._shown))
        self._attended[place] += mass.cpu()
        self._rows[place] += len(view.i)
        if place == 0:
            ordinary = view.visible.clone()
            ordinary[:, view.ordinary :] = False
            self._shown += torch.bincount(bins[ordinary.flatten()], minlength=len(self._shown)).cpu()

    def record(self) -> DistanceRecord:
        upper = self.width * np.arange(len(self._shown))
        length, rows = self.reading.model.train_length, np.maximum(self._rows, 1)
        return DistanceRecord(
            **self.reading.header(),
            sampling=self.reading.sampling,
            queries=self._rows[0],
            width=self.width,
            layer=np.array(self.layers),
            upper=upper,
            shown=self._shown.numpy() / rows[0],
            trained=trained_keys(length, self.width, len(upper)),
            possible=possible_keys(length, self.width, len(upper)),
            attended=self._attended.numpy() / (rows[:, None] * self.reading.heads),
        )


def trained_keys(train_length: int, width: int, bins: int) -> np.ndarray:
    """(bin) keys per query at each distance in a text of `train_length` tokens: `L - d` pairs are `d` apart."""
    distances = np.arange(train_length)
    return np.bincount(-(-distances // width), train_length - distances, bins) / train_length


def possible_keys(train_length: int, width: int, bins: int) -> np.ndarray:
    """(bin) keys at each distance that the last query of a text of `train_length` tokens sees: one at every one."""
    return np.bincount(-(-np.arange(train_length) // width), minlength=bins).astype(np.float64)


def distances_figure(runs: Sequence[Run], records: Sequence[DistanceRecord]) -> go.Figure:
    """Above: keys shown per query at each effective distance, grey for what any query of training could see at most,
    dotted for its mean query. Below: how attention is shared out.

    The axes are logarithmic upwards: a ceiling puts thousands of keys at one distance.
    """
    names = ["keys shown, per query", "attention, mean over layers, heads and queries"]
    figure = small_multiples("effective distances shown, and attended to", names, columns=1)
    first = records[0]
    figure.add_scatter(
        x=first.upper, y=_positive(first.possible), row=1, col=1, mode="lines", fill="tozeroy",
        name="in training, at most", line={"color": INK, "width": 1, "shape": "vh"},
        fillcolor="rgba(128, 128, 128, 0.25)", hovertemplate="%{y:,} keys at most in training",
    )  # fmt: skip
    figure.add_scatter(
        x=first.upper, y=_positive(first.trained), row=1, col=1, mode="lines", name="in training, mean query",
        line={"color": INK, "width": 1, "shape": "vh", "dash": "dot"}, hovertemplate="%{y:.3~g} keys in training, mean",
    )  # fmt: skip
    for run, record in zip(runs, records, strict=True):
        for row, values in ((1, record.shown), (2, record.attended.mean(0))):
            figure.add_scatter(
                x=record.upper, y=_positive(values), row=row, col=1, mode="lines", name=run.label, legendgroup=run.id,
                showlegend=row == 1, hovertemplate="%{y:.3~g}", line=line_of(run) | {"shape": "vh"},
            )  # fmt: skip
    figure.update_yaxes(type="log", dtick=1, exponentformat="power")
    figure.update_layout(yaxis={"matches": None, "title": "keys"}, yaxis2={"matches": None, "title": "share"})
    figure.update_xaxes(title_text=f"effective distance [tokens], in bins of {first.width:,}", row=2)
    mark_trained(figure, first.train_length)
    return figure.update_layout(meta={"x": "distance"})


def _positive(values: np.ndarray) -> np.ndarray:
    """Without zeros, which have no place on a logarithmic axis."""
    return short(np.where(values > 0, values, np.nan))


DISTANCES = Panel(
    key="distances",
    title="Distances",
    look="Look for curves that leave the grey area: to the right, the model is shown distances that it never "
    "met in training; upwards, more tokens at one distance than any query saw there. DPE's slowest group is drawn.",
    paper="LM-Infinite, figure 2; SelfExtend, figure 2",
    probes=lambda options: [partial(DistanceProbe, layers=options.layers)],
    names=lambda options: ("distances",),
    draw=lambda runs, records, options: [DrawnFigure("distances", distances_figure(runs, first(records)))],
    measures=("layers", "most_queries"),
)
