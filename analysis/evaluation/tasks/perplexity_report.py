"""Perplexity in a report: just before each length, beside what the papers report."""

import math
from collections.abc import Sequence

import numpy as np

from longsight.methods.vanilla import Vanilla

from ..report_parts import Reported, ReportPart
from ..row import Row
from ..score_report import lines_figure
from ..score_table import ScoreTable, comparable, count_cases, in_words, score_table, three_digits
from .swept import swept

PERPLEXITY = Reported(
    "LM-Infinite (arXiv 2308.16137), table 1: perplexity on ArXiv",
    ("model", "2K", "4K", "8K", "16K", "32K"),
    (
        ("Llama-2 (trained on 4K)", "3.4", "3.8", "8.5e3", "NaN", "NaN"),
        ("Llama-2 + LM-Infinite", "4.33", "3.63", "3.33", "4.18", "6.49"),
        ("MPT-7B (ALiBi, trained on 2K)", "5.5", "250", "1.1e3", "1.7e3", "1.6e3"),
        ("MPT-7B + LM-Infinite", "5.69", "6.76", "5.79", "5.98", "4.60"),
        ("GPT-J (trained on 2K)", "3.9", "1.3e3", "1e3", "1.6e3", "280"),
        ("GPT-J + LM-Infinite", "3.84", "3.13", "3.00", "3.06", "2.14"),
    ),
)
INDEPENDENT = Reported(
    "LCEG, an independent comparison: perplexity of Llama-2-7B (trained on 4K) on PG19",
    ("method", "4K", "8K", "16K", "32K", "64K"),
    (
        ("LM-Infinite", "6.30", "6.25", "6.45", "6.71", "8.49"),
        ("SelfExtend", "6.32", "6.15", "6.07", "6.11", "7.15"),
        ("NTK", "6.30", "6.82", "7.94", "14.52", "-"),
    ),
)
FLAT, BROKEN = 1.25, 2.0
"""A perplexity that grows by less than the first factor stays, by less than the second drifts up; else it breaks."""


def perplexity_parts(rows: Sequence[Row], look: str) -> list[ReportPart]:
    """Table 1 of LM-Infinite: perplexity just before each length."""
    return [_part(group, look) for group in comparable(row for row in rows if not swept(row))]


def _part(rows: Sequence[Row], look: str) -> ReportPart:
    table = perplexity_table(rows)
    return ReportPart(
        f"Perplexity at milestone lengths: {table.model}",
        f"{look} Over the {rows[0].task.options['last']} tokens before it.",
        [in_words(table, f"{table.task}, {count_cases(rows)}", three_digits)],
        {f"perplexity-{table.model}": lines_figure(table, "perplexity", logarithmic=True)},
        [PERPLEXITY, INDEPENDENT],
        [perplexity_comment(table)],
    )


def perplexity_table(rows: Sequence[Row]) -> ScoreTable:
    """Perplexities of the last tokens before each length."""
    return score_table(rows, "perplexity", _perplexity)


def _perplexity(row: Row) -> float | None:
    nll = row.scores.get("nll_last")
    return None if nll is None else math.exp(min(nll, 700))


def perplexity_comment(table: ScoreTable) -> str:
    """What becomes of perplexity past the trained length, and whether vanilla breaks as in the papers."""
    inside = table.length <= table.train_length
    if not inside.any() or inside.all():
        return "All lengths lie on one side of the trained length, so nothing can be said of what happens past it."
    groups: dict[str, list[str]] = {"Stays": [], "Drifts up": [], "Breaks": []}
    broken = False
    for method, label, values in zip(table.method, table.label, table.value, strict=True):
        past = values[~inside & np.isfinite(values)]
        if len(past) and np.isfinite(values[inside][-1]):
            factor = past[-1] / values[inside][-1]
            groups[becomes(factor)].append(f"{label} ({factor:.1f} times)")
            broken |= method == Vanilla.key and becomes(factor) == "Breaks"
    far = f"In each method's longest text, against {table.length[inside][-1]:,} tokens"
    told = [f"{words}: {', '.join(names)}." for words, names in groups.items() if names]
    shape = "Vanilla breaks, as in the papers." if broken else "Vanilla does not break here as it does in the papers."
    return f"{far}. {' '.join(told)} {shape}"


def becomes(factor: float) -> str:
    """What a perplexity does that grows by a factor."""
    return "Stays" if factor < FLAT else "Drifts up" if factor < BROKEN else "Breaks"
