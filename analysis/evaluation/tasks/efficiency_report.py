"""Efficiency in a report: time and memory against length."""

from collections.abc import Sequence

from longsight.methods.lm_infinite import LMInfinite
from longsight.methods.vanilla import Vanilla

from ..report_parts import Reported, ReportPart
from ..row import Row
from ..score_report import lines_figure
from ..score_table import (
    CellNumber,
    ScoreTable,
    comparable,
    count_cases,
    in_words,
    least_cost,
    score_table,
    three_digits,
)

EFFICIENCY = Reported(
    "LM-Infinite, 7B models at 32K tokens, against full attention",
    ("encoding", "decoding", "memory"),
    (("3.16 times faster", "2.72 times faster", "7.5 times less"),),
)
MEASURES: tuple[tuple[str, str, CellNumber], ...] = (
    ("encoding", "s of the processor", lambda row: least_cost(row, "encode_processor")),
    ("decoding", "ms of the processor per token", lambda row: 1000 * least_cost(row, "decode_processor")),
    ("cache", "MB", lambda row: row.scores["cache_bytes"] / 1e6),
    ("peak memory while encoding", "MB", lambda row: least_cost(row, "peak_bytes") / 1e6),
)


def efficiency_parts(rows: Sequence[Row], look: str) -> list[ReportPart]:
    """Time and memory of reading and writing."""
    return [_part(group, look) for group in comparable(rows)]


def _part(rows: Sequence[Row], look: str) -> ReportPart:
    model = rows[0].model.name
    tables = [(name, unit, score_table(rows, name, number)) for name, unit, number in MEASURES]
    return ReportPart(
        f"Efficiency: {model}",
        look,
        [in_words(t, f"{name} [{unit}], best of {count_cases(rows)}", three_digits) for name, unit, t in tables],
        {f"{name}-{model}": lines_figure(table, unit, logarithmic=True) for name, unit, table in tables},
        [EFFICIENCY],
        [efficiency_comment(*(table for _, _, table in tables[:3]))],
    )


def efficiency_comment(encoding: ScoreTable, decoding: ScoreTable, cache: ScoreTable) -> str:
    """LM-Infinite, with retrieval and without, against vanilla in the longest text."""
    factors = [_times(table) for table in (encoding, decoding, cache)]
    told = [
        f"{label}: reading {factors[0][text]:.2g} times as fast, writing {factors[1][text]:.2g} times as fast, "
        f"{factors[2][text]:.2g} times less cache"
        for method, text, label in zip(encoding.method, encoding.text, encoding.label, strict=True)
        if method == LMInfinite.key and all(text in each for each in factors)
    ]
    if not told:
        return "Vanilla and LM-Infinite were not both measured, so there is nothing to compare with the paper."
    longest = int(encoding.length[-1])
    far = f"Against vanilla at {longest:,} tokens, {longest / encoding.train_length:.2g} times the trained length"
    return f"{far} (in the paper 8 times). {'; '.join(told)}."


def _times(table: ScoreTable) -> dict[str, float]:
    """How many times less than vanilla each method, by its text, needs for the longest text."""
    full = table.value[table.method == Vanilla.key]
    ours = {str(text): row[-1] for text, row in zip(table.text, table.value, strict=True)}
    return {text: float(full[0, -1] / value) for text, value in ours.items() if len(full) and value > 0}
