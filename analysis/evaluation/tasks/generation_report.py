"""Generation in a report: BLEU and ROUGE by length, and quality against what it costs."""

from collections.abc import Sequence
from dataclasses import dataclass

import plotly.graph_objects as go

from longsight.methods.lm_infinite import LMInfinite
from longsight.methods.truncation import Truncation

from ...drawing.layout import INK, plain_layout
from ...drawing.palette import colour, dash, marker
from ..report_parts import Reported, ReportPart, ReportTable
from ..row import Row
from ..score_report import lines_figure
from ..score_table import (
    comparable,
    count_cases,
    in_words,
    label_of,
    least_cost,
    score_of,
    score_table,
    three_digits,
)
from .kept import kept_comment
from .swept import swept

GENERATION = Reported(
    "LM-Infinite, figure 4: BLEU and ROUGE of 100 generated tokens",
    ("method", "past the trained length"),
    (("vanilla", "falls to nothing"), ("LM-Infinite", "stays where it was inside")),
)
TRADE_OFF = Reported(
    "LM-Infinite, figure 6: quality against compute of generation",
    ("method", "what is reported"),
    (
        ("truncation", "quality rises with its window, and so does what it costs"),
        ("LM-Infinite", "at equal cost better than any truncation, because it does not read the window again"),
    ),
)
SAYS = "(ROUGE-L.) In the paper vanilla falls to nothing and LM-Infinite stays."
SHOWN = {"bleu": "BLEU", "rouge1": "ROUGE-1", "rougeL": "ROUGE-L"}


@dataclass(frozen=True)
class TradeOff:
    """What a method gives, for what it costs: `seconds` of the processor for a case, `quality` as ROUGE-L."""

    method: str
    label: str
    seconds: float
    quality: float


def generation_parts(rows: Sequence[Row], look: str) -> list[ReportPart]:
    """BLEU and ROUGE of what is written after each length."""
    return [_part(group, look) for group in comparable(row for row in rows if not swept(row))]


def _part(rows: Sequence[Row], look: str) -> ReportPart:
    tables = {name: score_table(rows, name, score_of(score)) for score, name in SHOWN.items()}
    model, task = rows[0].model.name, rows[0].task.text
    return ReportPart(
        f"Generation: {model}",
        look,
        [in_words(table, f"{name}, {task}, {count_cases(rows)}", three_digits) for name, table in tables.items()],
        {f"{name}-{model}": lines_figure(table, name) for name, table in tables.items()},
        [GENERATION],
        [kept_comment(tables["ROUGE-L"], SAYS)],
    )


def trade_off_parts(rows: Sequence[Row]) -> list[ReportPart]:
    """Figure 6 of LM-Infinite: quality against cost, for windows of truncation and for LM-Infinite."""
    parts = [_trade_off(group) for group in comparable(rows)]
    return [part for part in parts if part is not None]


def _trade_off(rows: Sequence[Row]) -> ReportPart | None:
    done = [row for row in rows if row.method.key in (Truncation.key, LMInfinite.key) and not row.refused]
    longest = max((row.length for row in done if row.method.key == Truncation.key and swept(row)), default=None)
    if longest is None:
        return None
    points = [
        TradeOff(row.method.key, label_of(row.method.text), least_cost(row, "seconds"), row.scores["rougeL"])
        for row in done
        if row.length == longest
    ]
    body = tuple((point.label, f"{point.seconds:.3f}", three_digits(point.quality)) for point in points)
    head = ("method", "processor seconds per case", "ROUGE-L")
    model = rows[0].model.name
    return ReportPart(
        f"Quality against cost: {model}",
        "What a longer window of truncation buys, and what LM-Infinite gives for the same processor time.",
        [ReportTable(f"{rows[0].task.text} after {longest:,} tokens", head, body)],
        {f"trade-off-{model}": trade_off_figure(points)},
        [TRADE_OFF],
        [trade_off_comment(points)],
    )


def trade_off_figure(points: Sequence[TradeOff]) -> go.Figure:
    """Quality against cost; one method's points are joined."""
    figure = go.Figure(layout=plain_layout("quality against cost"))
    for key in dict.fromkeys(point.method for point in points):
        chosen = sorted((point for point in points if point.method == key), key=lambda point: point.seconds)
        figure.add_scatter(
            x=[point.seconds for point in chosen], y=[point.quality for point in chosen],
            text=[point.label for point in chosen],
            mode="lines+markers+text", textposition="top center", showlegend=False, textfont={"color": INK},
            line={"color": colour(key), "dash": dash(key)}, marker={"symbol": marker(key), "size": 9},
            hovertemplate="%{text}: %{y:.3g} for %{x:.3g}<extra></extra>",
        )  # fmt: skip
    figure.update_xaxes(title_text="processor seconds")
    figure.update_yaxes(title_text="ROUGE-L")
    return figure.update_layout(height=420)


def trade_off_comment(points: Sequence[TradeOff]) -> str:
    """Whether LM-Infinite lies above truncation at equal cost."""
    ours = max((p for p in points if p.method == LMInfinite.key), key=lambda point: point.quality, default=None)
    cheap = [p for p in points if p.method == Truncation.key and ours is not None and p.seconds <= ours.seconds]
    if ours is None or not cheap:
        return "There is no truncation as cheap as LM-Infinite to compare it with."
    best = max(cheap, key=lambda point: point.quality)
    better = ours.quality > best.quality
    note = " In the paper it is better: there a cut text is read again for every new token, which is not so here."
    return (
        f"At its cost LM-Infinite ({ours.quality:.3g} for {ours.seconds:.2g} s) is "
        f"{'better than' if better else 'no better than'} the best truncation that costs no more, {best.label} "
        f"({best.quality:.3g} for {best.seconds:.2g} s).{'' if better else note}"
    )
