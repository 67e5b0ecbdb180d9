"""Results as the parts of a report: each in the shape of a paper's table or figure, beside what that paper reports."""

import math
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from longsight.errors import LongSightError
from longsight.methods import METHODS
from longsight.methods.lm_infinite import LMInfinite
from longsight.methods.self_extend import SelfExtend
from longsight.methods.truncation import Truncation
from longsight.methods.vanilla import Vanilla
from longsight.methods.window import Window

from . import papers
from .comments import (
    ablation_comment,
    efficiency_comment,
    found_comment,
    groups_comment,
    kept_comment,
    perplexity_comment,
    trade_off_comment,
)
from .figures import bands_figure, grid_figure, lines_figure, trade_off_figure
from .report_parts import ReportPart, ReportTable
from .row import Row
from .tables import (
    CellNumber,
    GridRecord,
    ScoreTable,
    grid_records,
    label_of,
    mean_bands,
    of_task,
    score_table,
)
from .tasks import TASKS

SWEPT = {SelfExtend.key: "group", Truncation.key: "length"}
"""Parameters that have a part of their own, in which they are varied."""
MOST_COLUMNS = 9
QASPER_SAYS = "In the paper vanilla loses all of it, and LM-Infinite is a little better than a cut text."
GENERATION_SAYS = "(ROUGE-L.) In the paper vanilla falls to nothing and LM-Infinite stays."


def make_parts(rows: Sequence[Row]) -> list[ReportPart]:
    """Every part that the results have something for. Raises `LongSightError` when there is nothing at all."""
    makers = (perplexity_parts, ablation_parts, group_parts, passkey_parts, reading_parts, generation_parts,
              trade_off_parts, efficiency_parts, short_parts)  # fmt: skip
    parts = [part for make in makers for part in make(rows)]
    if not parts:
        raise LongSightError("There are no finished cells in these results; run analysis.evaluate first.")
    return parts


def perplexity_parts(rows: Sequence[Row]) -> list[ReportPart]:
    """Table 1 of LM-Infinite: perplexity just before each length."""
    chosen = [row for row in rows if not swept(row)]
    parts = []
    for (task, model, *_), group in of_task(chosen, "perplexity").items():
        table = score_table(group, "perplexity", lambda row: _exponential(row.scores.get("nll_last")))
        last = group[0].task.options["last"]
        parts.append(ReportPart(
            f"Perplexity at milestone lengths: {model}",
            f"{TASKS['perplexity'].look} Over the {last} tokens before it.",
            [_shown(table, f"{task}, {_cases(group)}", _three)],
            {f"perplexity-{model}": lines_figure(table, "perplexity", logarithmic=True)},
            [papers.PERPLEXITY, papers.INDEPENDENT],
            [perplexity_comment(table)],
        ))  # fmt: skip
    return parts


def ablation_parts(rows: Sequence[Row]) -> list[ReportPart]:
    """Figure 5 of LM-Infinite: its halves, band by band of positions."""
    halves = [key for key, method in METHODS.items() if "figure 5" in method.paper]
    keys = {Vanilla.key, Window.key, *halves, LMInfinite.key}
    parts = []
    for (task, model, *_), group in of_task([row for row in rows if not swept(row)], "perplexity").items():
        plain = [row for row in group if row.method.text in keys and not row.refused]
        counts = Counter(row.length for row in plain)
        longest = max(counts, key=lambda length: (counts[length], length), default=0)  # where most can be compared
        picked = [row for row in plain if row.length == longest]
        if len(picked) < 3:
            continue
        picked.sort(key=lambda row: list(METHODS).index(row.method.key))
        band, trained = int(group[0].task.options["band"]), group[0].model.train_length
        curves = [(r.method.key, label_of(r.method.text), mean_bands(r)) for r in picked]
        caption = f"{task}, {longest:,} tokens: NLL [nats per token] up to each position"
        head = ("method", *(f"{(n + 1) * band:,}" for n in range(len(curves[0][2]))))
        body = tuple((label, *(_three(value) for value in values)) for _, label, values in curves)
        parts.append(ReportPart(
            f"The halves of LM-Infinite: {model}",
            "NLL by position. The mask alone leaves distances never seen before, the ceiling alone a crowd of tokens.",
            [ReportTable(caption, *_thinned(head, body))],
            {f"ablation-{model}": bands_figure("NLL by position [nats per token]", curves, band, trained)},
            [papers.ABLATION],
            [ablation_comment([(label, values) for _, label, values in curves], band, trained)],
        ))  # fmt: skip
    return parts


def group_parts(rows: Sequence[Row]) -> list[ReportPart]:
    """SelfExtend's perplexity by group size."""
    parts = []
    for (task, model, *_), group in of_task(rows, "perplexity").items():
        picked = [row for row in group if swept(row) and row.method.key == SelfExtend.key]
        if not picked:
            continue
        table = score_table(picked, "perplexity", lambda row: _exponential(row.scores.get("nll_last")))
        reach = {label_of(row.method.text): row.method.reach for row in picked if row.method.reach is not None}
        shown = _shown(table, f"{task}: perplexity; a * stands beyond the reach", _three)
        body = tuple(
            (f"{row[0]}, reach {reach[row[0]]:,}",
             *(cell + ("*" if n > reach[row[0]] else "") for cell, n in zip(row[1:], table.length, strict=True)))
            for row in shown.rows
        )  # fmt: skip
        parts.append(ReportPart(
            f"SelfExtend by group size: {model}",
            "Small groups are finer, large ones reach farther: perplexity is low inside the reach (L - W) * G + W.",
            [ReportTable(shown.caption, shown.head, body)],
            {f"groups-{model}": lines_figure(table, "perplexity", logarithmic=True)},
            [papers.GROUPS],
            [groups_comment(table, reach)],
        ))  # fmt: skip
    return parts


def passkey_parts(rows: Sequence[Row]) -> list[ReportPart]:
    """Keys found by length and depth."""
    parts = []
    for (task, model, *_), group in of_task(rows, "passkey").items():
        table = score_table(group, "keys found", _score("found"))
        grids = grid_records(group)
        if not grids:  # every method was refused
            continue
        parts.append(ReportPart(
            f"Passkeys: {task} on {model}",
            f"{TASKS['passkey'].look} A plain line ends the reach, a dotted one the text that is seen whole.",
            [_shown(table, f"Share found over all depths, {_cases(group)}", _percent), _by_depth(grids)],
            {f"passkey-{model}": grid_figure(grids), f"found-{model}": lines_figure(table, "share")},
            [papers.PASSKEY, papers.RULER],
            [found_comment(table)],
        ))  # fmt: skip
    return parts


def reading_parts(rows: Sequence[Row]) -> list[ReportPart]:
    """Token F1 of reading questions."""
    parts = []
    for (task, model, *_), group in of_task(rows, "qa").items():
        table = score_table(group, "token F1", _score("f1"))
        parts.append(ReportPart(
            f"Reading questions: {task} on {model}", TASKS["qa"].look,
            [_shown(table, f"Token F1, {_cases(group)}", _percent)],
            {f"qa-{model}": lines_figure(table, "F1")},
            [papers.QASPER],
            [kept_comment(table, QASPER_SAYS)],
        ))  # fmt: skip
    return parts


def generation_parts(rows: Sequence[Row]) -> list[ReportPart]:
    """BLEU and ROUGE of what is written after each length."""
    parts = []
    for (task, model, *_), group in of_task([row for row in rows if not swept(row)], "generation").items():
        tables = {
            name: score_table(group, name, _score(score))
            for name, score in (("BLEU", "bleu"), ("ROUGE-1", "rouge1"), ("ROUGE-L", "rougeL"))
        }
        parts.append(ReportPart(
            f"Generation: {model}", TASKS["generation"].look,
            [_shown(table, f"{name}, {task}, {_cases(group)}", _three) for name, table in tables.items()],
            {f"{name}-{model}": lines_figure(table, name) for name, table in tables.items()},
            [papers.GENERATION],
            [kept_comment(tables["ROUGE-L"], GENERATION_SAYS)],
        ))  # fmt: skip
    return parts


def trade_off_parts(rows: Sequence[Row]) -> list[ReportPart]:
    """Figure 6 of LM-Infinite: quality against cost, for windows of truncation and for LM-Infinite."""
    parts = []
    for (task, model, *_), group in of_task(rows, "generation").items():
        cut = [row for row in group if row.method.key == Truncation.key and not row.refused]
        longest = max((row.length for row in cut if swept(row)), default=None)
        if longest is None:
            continue
        picked = [r for r in group if r.length == longest and r.method.key in (Truncation.key, LMInfinite.key)]
        points = [
            (row.method.key, label_of(row.method.text), _cost(row, "seconds"), row.scores["rougeL"])
            for row in picked if not row.refused
        ]  # fmt: skip
        head = ("method", "processor seconds per case", "ROUGE-L")
        body = tuple((label, f"{cost:.3f}", _three(quality)) for _, label, cost, quality in points)
        parts.append(ReportPart(
            f"Quality against cost: {model}",
            "What a longer window of truncation buys, and what LM-Infinite gives for the same processor time.",
            [ReportTable(f"{task} after {longest:,} tokens", head, body)],
            {f"trade-off-{model}": trade_off_figure("quality against cost", points, "ROUGE-L", "processor seconds")},
            [papers.TRADE_OFF],
            [trade_off_comment(points)],
        ))  # fmt: skip
    return parts


def efficiency_parts(rows: Sequence[Row]) -> list[ReportPart]:
    """Time and memory against length."""
    measures = (
        ("encoding", "s of the processor", lambda row: _cost(row, "encode_processor")),
        ("decoding", "ms of the processor per token", lambda row: 1000 * _cost(row, "decode_processor")),
        ("cache", "MB", lambda row: row.scores["cache_bytes"] / 1e6),
        ("peak memory while encoding", "MB", lambda row: _cost(row, "peak_bytes") / 1e6),
    )
    parts = []
    for (_, model, *_), group in of_task(rows, "efficiency").items():
        tables = [(name, unit, score_table(group, name, number)) for name, unit, number in measures]
        parts.append(ReportPart(
            f"Efficiency: {model}", TASKS["efficiency"].look,
            [_shown(table, f"{name} [{unit}], best of {_cases(group)}", _three) for name, unit, table in tables],
            {f"{name}-{model}": lines_figure(table, unit, logarithmic=True) for name, unit, table in tables},
            [papers.EFFICIENCY],
            [efficiency_comment(*(table for _, _, table in tables[:3]))],
        ))  # fmt: skip
    return parts


def short_parts(rows: Sequence[Row]) -> list[ReportPart]:
    """What methods cost inside the trained length."""
    return [
        ReportPart(
            f"Inside the trained length: {model}", TASKS["short-context"].look,
            [_shown(score_table(group, "cost", _score("cost")),
                    f"NLL added to vanilla's [nats per token], {_cases(group)}", lambda value: f"{value:+.4f}")],
            {}, [papers.SHORT],
        )
        for (task, model, *_), group in of_task(rows, "short-context").items()
    ]  # fmt: skip


def swept(row: Row) -> bool:
    """Whether the cell belongs to a part in which a parameter is varied."""
    key, _, values = row.method.text.partition(":")
    return SWEPT.get(key) in [pair.partition("=")[0] for pair in values.split(",")]


def _shown(table: ScoreTable, caption: str, write: Callable[[float], str]) -> ReportTable:
    """The table in words: a dash where nothing is known."""
    head = ("method", *(f"{length:,}" for length in table.length))
    body = tuple(
        (str(label), *("-" if math.isnan(value) else write(value) for value in values))
        for label, values in zip(table.label, table.value, strict=True)
    )
    return ReportTable(caption, head, body)


def _by_depth(grids: Sequence[GridRecord]) -> ReportTable:
    """Keys found at each depth and length, one method after the other."""
    lengths = sorted({int(length) for grid in grids for length in grid.length})
    body = []
    for grid in grids:
        column = {int(length): n for n, length in enumerate(grid.length)}
        for row, depth in enumerate(grid.depth):
            cells = [
                f"{grid.found[row, column[n]]}/{grid.trials[row, column[n]]}" if n in column else "-" for n in lengths
            ]
            body.append((f"{grid.label}, at {depth:.0%}", *cells))
    return ReportTable(
        "Keys found by depth (0%: at the beginning)", ("method", *(f"{n:,}" for n in lengths)), tuple(body)
    )


def _thinned(head: tuple[str, ...], rows: tuple[tuple[str, ...], ...]) -> tuple[Any, Any]:
    """At most `MOST_COLUMNS` columns of numbers, evenly spread, with the last."""
    step = -(-(len(head) - 1) // MOST_COLUMNS)
    kept = [0, *range(len(head) - 1, 0, -step)[::-1]]
    return tuple(head[n] for n in kept), tuple(tuple(row[n] for n in kept) for row in rows)


def _cases(rows: Sequence[Row]) -> str:
    counts = sorted({len(row.cases) for row in rows if not row.refused})
    if not counts:
        return "no cases"
    few = " to ".join(str(count) for count in dict.fromkeys((counts[0], counts[-1])))
    return "1 case" if few == "1" else f"{few} cases"


def _score(name: str) -> CellNumber:
    return lambda row: row.scores.get(name)


def _cost(row: Row, name: str) -> float:
    """The least of the cases: what else the machine does only ever adds to it."""
    return min(float(cost[name]) for cost in row.run.cost)


def _exponential(nll: float | None) -> float | None:
    return None if nll is None else math.exp(min(nll, 700))


def _three(value: float) -> str:
    """Three digits."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def _percent(share: float) -> str:
    return f"{share:.0%}"
