"""Pass keys in a report: found by length and depth, beside what the papers report."""

from collections.abc import Sequence

import numpy as np

from ..grid_figure import grid_figure
from ..grid_record import GridRecord, Trial, grid_record
from ..report_parts import Reported, ReportPart, ReportTable
from ..row import Row
from ..score_report import lines_figure
from ..score_table import (
    ScoreTable,
    comparable,
    count_cases,
    in_words,
    method_order,
    percent,
    score_of,
    score_table,
    titled,
)
from .hidden_key import KeyFacts

PASSKEY = Reported(
    "LM-Infinite, Llama-2-7b-chat (trained on 4K): passkeys found [%]",
    ("method", "6K", "8K", "10K", "12K", "16K"),
    (
        ("vanilla", "0", "0", "0", "0", "0"),
        ("truncation", "66", "55", "39", "33", "27"),
        ("LM-Infinite + top-k", "70", "91", "87", "79", "79"),
    ),
)
RULER = Reported(
    "LCEG: RULER scores of Llama-2-7B (trained on 4K). Flat perplexity is not retrieval",
    ("method", "4K", "8K", "16K", "32K", "64K"),
    (
        ("LM-Infinite", "81", "30", "18", "12", "11"),
        ("SelfExtend", "65", "51", "44", "30", "9"),
    ),
)
GOOD, NONE = 0.9, 0.02
"""From this share on keys are found; up to that they are not."""


def passkey_parts(rows: Sequence[Row], look: str) -> list[ReportPart]:
    """Keys found by length and depth."""
    return [_part(group, look) for group in comparable(rows)]


def _part(rows: Sequence[Row], look: str) -> ReportPart:
    table, grids = score_table(rows, "keys found", score_of("found")), grid_records(rows)
    return ReportPart(
        titled("Passkeys", table.task, table.model),
        f"{look} A plain line ends the reach, a dotted one the text that is seen whole.",
        [in_words(table, f"Share found over all depths, {count_cases(rows)}", percent), by_depth(grids)],
        {f"passkey-{table.model}": grid_figure(grids), f"found-{table.model}": lines_figure(table, "share")},
        [PASSKEY, RULER],
        [found_comment(table)],
    )


def grid_records(rows: Sequence[Row]) -> list[GridRecord]:
    """A grid for each method of rows of one model and one task."""
    methods: dict[str, list[Row]] = {}
    for row in rows:
        if row.refused is None:
            methods.setdefault(row.method.text, []).append(row)
    return [_grid(text, methods[text]) for text in sorted(methods, key=method_order)]


def _grid(text: str, rows: Sequence[Row]) -> GridRecord:
    trials = [
        Trial(
            row.length,
            KeyFacts.model_validate(case.facts).depth,
            bool(case.scores["found"]),
            row.method.reach,
            row.method.sight,
        )
        for row in rows
        for case in row.cases
    ]
    return grid_record(rows[0].model.name, rows[0].task.text, text, rows[0].model.train_length, trials)


def by_depth(grids: Sequence[GridRecord]) -> ReportTable:
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
    head = ("method", *(f"{n:,}" for n in lengths))
    return ReportTable("Keys found by depth (0%: at the beginning)", head, tuple(body))


def found_comment(table: ScoreTable) -> str:
    """Who still finds keys in the longest texts, and who never does past the trained length."""
    beyond = table.length > table.train_length
    if not beyond.any():
        return "No text is longer than the trained length, where every method finds what the model finds."
    good, blind, fading = [], [], []
    for label, values in zip(table.label, table.value, strict=True):
        past = values[beyond & np.isfinite(values)]
        if not len(past):
            continue
        if past[-1] >= GOOD:
            good.append(str(label))
        elif past.max() <= NONE:
            blind.append(str(label))
        else:
            fading.append(f"{label} ({past[0]:.0%} to {past[-1]:.0%})")
    said = [
        f"{words}: {', '.join(names)}."
        for words, names in (
            ("Found in the longest text that each was given", good),
            ("Found in part past the trained length", fading),
            ("Never found past it", blind),
        )
        if names
    ]
    return " ".join([*said, "A method that hides the middle of the text keeps its perplexity and loses the key."])
