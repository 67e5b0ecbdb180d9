"""How results compare with the papers', said in plain sentences that follow from the numbers."""

import math
from collections.abc import Sequence

import numpy as np

from analysis.tables import ScoreTable

FLAT = 1.25
"""A perplexity that grows by less than this factor stays."""
BROKEN = 2.0
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
