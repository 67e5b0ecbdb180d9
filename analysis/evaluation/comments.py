"""How results compare with the papers', said in plain sentences that follow from the numbers."""

import math
from collections.abc import Sequence

import numpy as np

from .tables import ScoreTable

FLAT = 1.25
"""A perplexity that grows by less than this factor stays."""
BROKEN = 2.0
KEPT = 0.75
"""A score of which this share is left has been kept."""
MANY = 30
"""Fewer cases than this tell large differences only."""
FLAT_NATS, DRIFT_NATS = math.log(FLAT), math.log(BROKEN)


def perplexity_comment(table: ScoreTable) -> str:
    """What becomes of perplexity past the trained length, and whether vanilla breaks as in the papers."""
    inside = table.length <= table.train_length
    if not inside.any() or inside.all():
        return "All lengths lie on one side of the trained length, so nothing can be said of what happens past it."
    groups: dict[str, list[str]] = {"stays": [], "drifts": [], "breaks": []}
    for label, values in zip(table.label, table.value, strict=True):
        past = values[~inside & np.isfinite(values)]
        if len(past) and np.isfinite(values[inside][-1]):
            factor = past[-1] / values[inside][-1]
            kind = "stays" if factor < FLAT else "drifts" if factor < BROKEN else "breaks"
            groups[kind].append(f"{label} ({factor:.1f} times)")
    far = f"In each method's longest text, against {table.length[inside][-1]:,} tokens"
    said = [
        f"{words}: {', '.join(groups[kind])}."
        for kind, words in (("stays", "Stays"), ("drifts", "Drifts up"), ("breaks", "Breaks"))
        if groups[kind]
    ]
    broken = any(name.startswith("Vanilla") for name in groups["breaks"])
    shape = "Vanilla breaks, as in the papers." if broken else "Vanilla does not break here as it does in the papers."
    return f"{far}. {' '.join(said)} {shape}"


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
        if past[-1] >= 0.9:
            good.append(str(label))
        elif past.max() <= 0.02:
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
            said = f"{label} ({values[inside][-1]:.2g} to {past[-1]:.2g})"
            (kept if past[-1] >= KEPT * values[inside][-1] else lost).append(said)
    most = int(table.cases.max())
    few = f" With {most} in a cell, small differences mean nothing." if most < MANY else ""
    shown = [f"{words}: {', '.join(names)}." for words, names in (("Kept", kept), ("Lost", lost)) if names]
    return f"From {table.length[inside][-1]:,} tokens to each method's longest text. {' '.join(shown)} {theirs}{few}"


def groups_comment(table: ScoreTable, reach: dict[str, int]) -> str:
    """Whether perplexity stays inside each group's reach and breaks beyond it."""
    inside = table.length <= table.train_length
    good: list[bool] = []
    bad: list[bool] = []
    if not inside.any():
        return "No text lies inside the trained length, so nothing can be compared."
    for label, values in zip(table.label, table.value, strict=True):
        start = values[inside & np.isfinite(values)]
        for length, value in zip(table.length[~inside], values[~inside], strict=True):
            if not len(start) or not np.isfinite(value):
                continue
            stays = bool(value / start[-1] < FLAT)
            if length <= reach[str(label)]:
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


def efficiency_comment(encoding: ScoreTable, decoding: ScoreTable, cache: ScoreTable) -> str:
    """LM-Infinite, with retrieval and without, against vanilla in the longest text."""

    def times(table: ScoreTable) -> dict[str, float]:
        full = table.value[table.method == "vanilla"]
        ours = {str(label): row[-1] for label, row in zip(table.label, table.value, strict=True)}
        return {label: float(full[0, -1] / value) for label, value in ours.items() if len(full) and value > 0}

    factors = [times(table) for table in (encoding, decoding, cache)]
    told = [
        f"{label}: reading {factors[0][label]:.2g} times as fast, writing {factors[1][label]:.2g} times as fast, "
        f"{factors[2][label]:.2g} times less cache"
        for label, key in zip(encoding.label.tolist(), encoding.method.tolist(), strict=True)
        if key == "lm-infinite" and all(label in each for each in factors)
    ]
    if not told:
        return "Vanilla and LM-Infinite were not both measured, so there is nothing to compare with the paper."
    longest = int(encoding.length[-1])
    far = f"Against vanilla at {longest:,} tokens, {longest / encoding.train_length:.2g} times the trained length"
    return f"{far} (in the paper 8 times). {'; '.join(told)}."


def ablation_comment(curves: Sequence[tuple[str, np.ndarray]], band: int, train_length: int) -> str:
    """What each half does past the trained length, and where that differs from the paper's figure 5."""
    inside = max(train_length // band, 1)
    said, flat = [], []
    for label, values in curves:
        rise = float(np.nanmean(values[-2:]) - np.nanmean(values[:inside][-1:]))
        kind = "stays flat" if rise < FLAT_NATS else "drifts up" if rise < DRIFT_NATS else "breaks"
        said.append(f"{label} {kind} ({rise:+.2f} nats)")
        flat += [label] if rise < FLAT_NATS else []
    same = (
        "LM-Infinite stays flat, as in the paper." if "LM-Infinite" in flat else "LM-Infinite does not stay flat here."
    )
    extra = [label for label in flat if label != "LM-Infinite"]
    differs = f" Unlike there, also flat at this length: {', '.join(extra)}." if extra else ""
    return f"{'; '.join(said)}. {same}{differs}"


def trade_off_comment(points: Sequence[tuple[str, str, float, float]]) -> str:
    """Whether LM-Infinite lies above truncation at equal cost: (key, label, cost, quality) for each point."""
    ours = max((point for point in points if point[0] == "lm-infinite"), key=lambda point: point[3], default=None)
    cheap = [p for p in points if p[0] == "truncation" and ours is not None and p[2] <= ours[2]]
    if ours is None or not cheap:
        return "There is no truncation as cheap as LM-Infinite to compare it with."
    best = max(cheap, key=lambda point: point[3])
    better = "better than" if ours[3] > best[3] else "no better than"
    note = (
        ""
        if ours[3] > best[3]
        else (" In the paper it is better: there a cut text is read again for every new token, which is not so here.")
    )
    return (
        f"At its cost LM-Infinite ({ours[3]:.3g} for {ours[2]:.2g} s) is {better} the best truncation that costs no "
        f"more, {best[1]} ({best[3]:.3g} for {best[2]:.2g} s).{note}"
    )
