"""Negative log-likelihood along a text (LM-Infinite, figures 3 and 5), and the text itself coloured by it."""

import html
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go
from torch import Tensor
from torch.nn import functional as F

from ..drawing.curves import line_of, lines_on_top, mark_trained, run_edges, short, small_multiples
from ..drawing.drawn_figure import DrawnFigure
from ..drawing.palette import SURPRISE
from ..export.records import array
from ..runs import Run
from .base import Panel, first
from .observed import Observed
from .probing import Probe
from .reading import Reading

CURVE_POINTS = 1024
MOST_TOKENS = 1024
"""Tokens of a coloured text at once; more would make a page slow."""

LONGEST_WORD = 32
"""Tokens that are looked through for the beginning of a word."""

MOST_NATS = 8.0
"""Where the colours of a text end: about as surprised as a guess among 3,000 tokens."""


@dataclass(frozen=True, eq=False)
class NLLRecord(Observed):
    """How surprised the model is at each token."""

    token: np.ndarray = array("token", "text of the token")
    nll: np.ndarray = array("token", "negative log-likelihood given all earlier tokens; NaN where never read", "nats")


class NLLProbe(Probe):
    """Negative log-likelihood of every token that is read, but the first."""

    def __init__(self, reading: Reading) -> None:
        super().__init__(reading)
        self._nll = np.full(reading.n, np.nan, dtype=np.float32)

    def logits(self, start: int, logits: Tensor) -> None:
        targets = self.reading.read[start + 1 : start + 1 + len(logits)].to(logits.device)
        nll = F.cross_entropy(logits[: len(targets)].float(), targets, reduction="none")
        first = self.reading.unread + start + 1
        self._nll[first : first + len(targets)] = nll.cpu().numpy()

    def record(self) -> NLLRecord:
        return NLLRecord(**self.reading.header(), token=self.reading.tokens, nll=self._nll.copy())


def nll_figure(
    runs: Sequence[Run], records: Sequence[NLLRecord], smoothing: int = 64, mark: int | None = None
) -> go.Figure:
    """One curve per run: the mean over `smoothing` tokens around each position."""
    figure = small_multiples(f"negative log-likelihood [nats], mean over {smoothing:,} tokens", [""])
    for run, record in zip(runs, records, strict=True):
        places = run_edges(len(record.nll), CURVE_POINTS)
        figure.add_scatter(
            x=places, y=short(smoothed(record.nll, smoothing)[places]), mode="lines", name=run.label,
            legendgroup=run.id, line=line_of(run), hovertemplate="%{y:.2f} nats",
        )  # fmt: skip
    figure.update_xaxes(title_text="position [tokens]")
    figure.update_yaxes(title_text="nats per token", rangemode="tozero")
    mark_trained(figure, records[0].train_length, mark)
    return lines_on_top(figure).update_layout(meta={"x": "position"})


def smoothed(values: np.ndarray, width: int) -> np.ndarray:
    """The mean of the known values among the `width` around each; NaN where the value itself is unknown."""
    known = np.isfinite(values)
    sums = np.concatenate(([0.0], np.where(known, values, 0).cumsum(dtype=np.float64)))
    counts = np.concatenate(([0], known.cumsum()))
    place = np.arange(len(values))
    first, last = np.maximum(place - (width - 1) // 2, 0), np.minimum(place + width // 2 + 1, len(values))
    with np.errstate(invalid="ignore"):
        means = (sums[last] - sums[first]) / (counts[last] - counts[first])
    return np.where(known, means, np.nan)


def coloured_text(record: NLLRecord, start: int | None = None, count: int = MOST_TOKENS) -> str:
    """HTML: tokens `start`, `start + 1` ... (at most 1,024), each behind a colour that grows with its surprise, under
    a legend that says which they are.

    By default it begins half a trained length before the trained length, so that one reads into what comes after; and
    always with a word, if one begins shortly before.
    """
    begin = record.train_length // 2 if start is None else max(start, 0)
    begin = 0 if begin >= record.n else _word_start(record, begin)
    end = min(begin + min(count, MOST_TOKENS), record.n)
    spans = "".join(_span(record, place) for place in range(begin, end))
    text = f'<div class="nll-text" style="white-space:pre-wrap;line-height:1.8">{spans}</div>'
    return _legend(record, begin, end) + text


def _word_start(record: NLLRecord, place: int) -> int:
    """The nearest place up to here at which a word begins; `place` itself in a text without spaces."""
    for earlier in range(place, max(place - LONGEST_WORD, 0), -1):
        if str(record.token[earlier])[:1].isspace():
            return earlier
    return 0 if place < LONGEST_WORD else place


def _legend(record: NLLRecord, begin: int, end: int) -> str:
    ramp = ", ".join(f"rgba({SURPRISE}, {part})" for part in (0, 0.75))
    line = " The line: the trained length." if begin <= record.train_length < end else ""
    return (
        f'<p style="font-size:12px;margin:0 0 6px">Tokens {begin:,} to {end - 1:,}, 0 '
        f'<i style="display:inline-block;width:80px;height:9px;background:linear-gradient(90deg, {ramp})"></i> '
        f"{MOST_NATS:g} nats or more.{line}</p>"
    )


def _span(record: NLLRecord, place: int) -> str:
    nll, token = float(record.nll[place]), html.escape(str(record.token[place]))
    known = np.isfinite(nll)
    strength = min(nll, MOST_NATS) / MOST_NATS if known else 0.0
    said = f"{nll:.2f} nats" if known else "never predicted"
    edge = "border-left:2px solid currentColor;" if place == record.train_length else ""
    background = f"background:rgba({SURPRISE}, {0.75 * strength:.2f});" if known else "opacity:0.5;"
    return f'<span style="{edge}{background}" title="position {place:,}: {said}" data-position="{place}">{token}</span>'


NLL = Panel(
    key="nll",
    title="NLL",
    look="Look for the place where a curve climbs: there the model stops understanding the text. A flat "
    "curve means fluent reading, not that the model still remembers the beginning.",
    paper="LM-Infinite, figures 3 and 5",
    probes=lambda options: [NLLProbe],
    names=lambda options: ("nll",),
    draw=lambda runs, records, options: [
        DrawnFigure("nll", nll_figure(runs, first(records), options.smoothing, options.mark))
    ],
    draws=("smoothing", "mark"),
    words=lambda records, options: coloured_text(records[0], options.mark),
)
