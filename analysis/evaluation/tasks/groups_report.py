"""SelfExtend by its group size in a report: small groups are finer, large ones reach farther."""

from collections.abc import Sequence

import numpy as np

from longsight.methods.self_extend import SelfExtend

from ..report_parts import Reported, ReportPart, ReportTable
from ..row import Row
from ..score_report import lines_figure
from ..score_table import ScoreTable, comparable, in_words, three_digits
from .perplexity_report import FLAT, perplexity_table
from .swept import swept

GROUPS = Reported(
    "SelfExtend (arXiv 2401.01325)",
    ("what", "reported"),
    (("perplexity", "flat inside the reach (L - W) * G + W"), ("large groups", "cost a little; small ones reach less")),
)


def group_parts(rows: Sequence[Row]) -> list[ReportPart]:
    """Perplexity by group size."""
    done = [row for row in rows if swept(row) and row.method.key == SelfExtend.key and row.refused is None]
    return [_part(group) for group in comparable(done)]


def _part(rows: Sequence[Row]) -> ReportPart:
    table = perplexity_table(rows)
    known = {row.method.text: row.method.reach for row in rows if row.method.reach is not None}
    reach = [known[text] for text in table.text.tolist()]
    shown = in_words(table, f"{table.task}: perplexity; a * stands beyond the reach", three_digits)
    body = tuple(
        (f"{label}, reach {far:,}",
         *(cell + ("*" if n > far else "") for cell, n in zip(cells, table.length, strict=True)))
        for (label, *cells), far in zip(shown.rows, reach, strict=True)
    )  # fmt: skip
    return ReportPart(
        f"SelfExtend by group size: {table.model}",
        "Small groups are finer, large ones reach farther: perplexity is low inside the reach (L - W) * G + W.",
        [ReportTable(shown.caption, shown.head, body)],
        {f"groups-{table.model}": lines_figure(table, "perplexity", logarithmic=True)},
        [GROUPS],
        [groups_comment(table, reach)],
    )


def groups_comment(table: ScoreTable, reach: Sequence[int]) -> str:
    """Whether perplexity stays inside each group's reach [tokens] and breaks beyond it."""
    inside = table.length <= table.train_length
    if not inside.any():
        return "No text lies inside the trained length, so nothing can be compared."
    good: list[bool] = []
    bad: list[bool] = []
    for values, far in zip(table.value, reach, strict=True):
        start = values[inside & np.isfinite(values)]
        for length, value in zip(table.length[~inside], values[~inside], strict=True):
            if not len(start) or not np.isfinite(value):
                continue
            stays = bool(value / start[-1] < FLAT)
            if length <= far:
                good.append(stays)
            else:
                bad.append(not stays)
    held, broken = sum(good), sum(bad)
    same = "as in the paper" if held > len(good) / 2 else "unlike in the paper"
    limit = "the reach is where it ends" if broken > len(bad) / 2 else "the reach is no limit for this model"
    return (
        f"Of {len(good)} longer texts inside the reach, perplexity stays in {held}, {same}; of {len(bad)} beyond it, "
        f"it grows by more than {FLAT - 1:.0%} in {broken}: {limit}."
    )
