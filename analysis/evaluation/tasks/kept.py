"""Whether a score that is kept inside the trained length is kept past it, said in a sentence."""

import numpy as np

from ..score_table import ScoreTable

KEPT = 0.75
"""A score of which this share is left has been kept."""
MANY = 30
"""Fewer cases than this tell large differences only."""


def kept_comment(table: ScoreTable, theirs: str) -> str:
    """Which methods keep inside-the-trained-length quality in their longest texts, and which lose it; then what the
    paper says."""
    inside, beyond = table.length <= table.train_length, table.length > table.train_length
    if not inside.any() or not beyond.any():
        return "All lengths lie on one side of the trained length, so nothing can be said of what happens past it."
    kept: list[str] = []
    lost: list[str] = []
    for label, values in zip(table.label, table.value, strict=True):
        past = values[beyond & np.isfinite(values)]
        if len(past) and np.isfinite(values[inside][-1]):
            told = f"{label} ({values[inside][-1]:.2g} to {past[-1]:.2g})"
            (kept if past[-1] >= KEPT * values[inside][-1] else lost).append(told)
    most = int(table.cases.max())
    few = f" With {most} in a cell, small differences mean nothing." if most < MANY else ""
    shown = [f"{words}: {', '.join(names)}." for words, names in (("Kept", kept), ("Lost", lost)) if names]
    return f"From {table.length[inside][-1]:,} tokens to each method's longest text. {' '.join(shown)} {theirs}{few}"
