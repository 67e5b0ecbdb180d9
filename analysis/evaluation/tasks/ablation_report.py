"""The halves of LM-Infinite in a report (its figure 5): the mask alone, the ceiling alone, both; along the text."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go

from longsight.methods import METHODS
from longsight.methods.lm_infinite import LMInfinite
from longsight.methods.vanilla import Vanilla
from longsight.methods.window import Window

from ...drawing.curves import mark_trained, small_multiples
from ...drawing.palette import colour, dash
from ..report_parts import Reported, ReportPart, ReportTable
from ..row import Row
from ..score_table import comparable, label_of, three_digits
from .perplexity_report import becomes

ABLATION = Reported(
    "LM-Infinite, figure 5: what happens past the trained length",
    ("method", "NLL past the trained length"),
    (
        ("vanilla", "explodes right after it"),
        ("Λ only", "explodes right after it"),
        ("ceiling only", "drifts up"),
        ("window", "fails"),
        ("LM-Infinite (both)", "stays flat"),
    ),
)
MOST_COLUMNS = 9
FEWEST = 3
"""Fewer methods than this are no comparison of halves."""

DOES = {"Stays": "stays flat", "Drifts up": "drifts up", "Breaks": "breaks"}
"""What is said of NLL, by what becomes of the perplexity."""


@dataclass(frozen=True)
class BandCurve:
    """One method along the text: `nll` (band,) mean NLL [nats] by band of positions; NaN where nothing was read."""

    method: str
    label: str
    nll: np.ndarray


def ablation_parts(rows: Sequence[Row]) -> list[ReportPart]:
    """NLL by position of the methods that are halves of LM-Infinite, where enough of them were run."""
    parts = [_part(group, _picked(group)) for group in comparable(rows)]
    return [part for part in parts if part is not None]


def _picked(rows: Sequence[Row]) -> list[Row]:
    """The cells to compare, at the length where most can be."""
    halves = [key for key, method in METHODS.items() if "figure 5" in method.paper]
    keys = {Vanilla.key, Window.key, *halves, LMInfinite.key}
    plain = [row for row in rows if row.method.text in keys and not row.refused]
    counts = Counter(row.length for row in plain)
    longest = max(counts, key=lambda length: (counts[length], length), default=0)
    return sorted((row for row in plain if row.length == longest), key=lambda row: list(METHODS).index(row.method.key))


def _part(rows: Sequence[Row], picked: Sequence[Row]) -> ReportPart | None:
    if len(picked) < FEWEST:
        return None
    task, model, length = picked[0].task, picked[0].model, picked[0].length
    band = int(task.options["band"])
    curves = [BandCurve(row.method.key, label_of(row.method.text), mean_bands(row)) for row in picked]
    head = ("method", *(f"{(n + 1) * band:,}" for n in range(len(curves[0].nll))))
    body = tuple((curve.label, *(three_digits(value) for value in curve.nll)) for curve in curves)
    caption = f"{task.text}, {length:,} tokens: NLL [nats per token] up to each position"
    return ReportPart(
        f"The halves of LM-Infinite: {model.name}",
        "NLL by position. The mask alone leaves distances never seen before, the ceiling alone a crowd of tokens.",
        [_thinned(ReportTable(caption, head, body))],
        {f"ablation-{model.name}": bands_figure(curves, band, model.train_length)},
        [ABLATION],
        [ablation_comment(curves, band, model.train_length)],
    )


def mean_bands(row: Row) -> np.ndarray:
    """(band) NLL [nats], mean over the cases of a perplexity cell; NaN where nothing was read."""
    read = [(case.more or {})["bands"] for case in row.cases]
    bands = np.array([[math.nan if mean is None else mean for mean in means] for means in read])
    known = np.isfinite(bands)
    return np.where(known, bands, 0).sum(0) / np.where(known.any(0), known.sum(0), math.nan)


def bands_figure(curves: Sequence[BandCurve], band: int, train_length: int) -> go.Figure:
    """Mean NLL by position, a line per method."""
    figure = small_multiples("NLL by position [nats per token]", [""])
    for curve in curves:
        figure.add_scatter(
            x=(np.arange(len(curve.nll)) + 0.5) * band, y=curve.nll, mode="lines", name=curve.label,
            line={"color": colour(curve.method), "dash": dash(curve.method), "width": 2},
            hovertemplate="%{y:.2f} nats",
        )  # fmt: skip
    figure.update_xaxes(title_text="position [tokens]")
    figure.update_yaxes(title_text="nats per token")
    mark_trained(figure, train_length)
    return figure.update_layout(height=420)


def _thinned(table: ReportTable) -> ReportTable:
    """At most `MOST_COLUMNS` columns of numbers, evenly spread, with the last."""
    step = -(-(len(table.head) - 1) // MOST_COLUMNS)
    kept = [0, *range(len(table.head) - 1, 0, -step)[::-1]]
    rows = tuple(tuple(row[n] for n in kept) for row in table.rows)
    return ReportTable(table.caption, tuple(table.head[n] for n in kept), rows)


def ablation_comment(curves: Sequence[BandCurve], band: int, train_length: int) -> str:
    """What each half does past the trained length, and where that differs from the paper's figure 5."""
    inside = max(train_length // band, 1)
    told: list[str] = []
    flat: dict[str, str] = {}
    for curve in curves:
        rise = float(np.nanmean(curve.nll[-2:]) - np.nanmean(curve.nll[:inside][-1:]))
        kind = becomes(math.exp(rise))
        told.append(f"{curve.label} {DOES[kind]} ({rise:+.2f} nats)")
        if kind == "Stays":
            flat[curve.method] = curve.label
    ours = flat.pop(LMInfinite.key, None)
    same = "LM-Infinite stays flat, as in the paper." if ours else "LM-Infinite does not stay flat here."
    differs = f" Unlike there, also flat at this length: {', '.join(flat.values())}." if flat else ""
    return f"{'; '.join(told)}. {same}{differs}"
