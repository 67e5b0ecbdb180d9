"""Points of a hidden space seen in two or three dimensions, and how far apart the first ones lie."""

from collections.abc import Sequence

import numpy as np
from threadpoolctl import threadpool_limits

from longsight.errors import LongSightError

MOST_POINTS = 8192
PROJECTIONS = ("pca", "umap")


def pca(points: np.ndarray, axes: int) -> tuple[np.ndarray, np.ndarray]:
    """Principal components of `points` (point, channel) -> (point, axis), and each axis's share of the variance.

    Signs are chosen so that the largest coordinate along each axis is positive: the same picture on every machine.
    """
    with threadpool_limits(1, user_api="blas"):  # more threads than free cores wait for each other 50 times as long
        u, strengths, _ = np.linalg.svd(points - points.mean(0), full_matrices=False)
    found = u[:, :axes] * strengths[:axes]
    signs = np.sign(found[np.abs(found).argmax(0), np.arange(found.shape[1])])
    total = (strengths**2).sum()
    return found * np.where(signs == 0, 1, signs), strengths[:axes] ** 2 / (total if total else 1)


def separations(texts: Sequence[np.ndarray], starting: int) -> tuple[float, float]:
    """`separation` and `ordinary` of a `ClusterRecord`, from hidden states (point, channel) of each text, in order."""
    first = np.concatenate([states[:starting] for states in texts]).astype(np.float64)
    others = np.concatenate([states[starting:] for states in texts]).astype(np.float64)
    if not len(others) or not len(first):
        return np.nan, np.nan
    runs = [
        np.concatenate([states[begin : begin + starting] for states in texts])
        for begin in range(starting, min(map(len, texts)) - starting + 1, starting)
    ]
    ordinary = [_distance(run, others) for run in runs]
    return _distance(first, others), float(np.median(ordinary)) if ordinary else np.nan


def _distance(few: np.ndarray, others: np.ndarray) -> float:
    """Between the centres of `few` and `others`, in units of the root mean square distance of `others` to theirs."""
    centre = others.mean(0)
    spread = np.sqrt(((others - centre) ** 2).sum(-1).mean())
    return float(np.linalg.norm(few.mean(0) - centre) / spread) if spread else np.nan


def check_projection(projection: str, axes: int) -> None:
    """Raise `LongSightError` unless this is a projection that can be drawn."""
    if projection not in PROJECTIONS:
        raise LongSightError(f"There is no projection {projection!r}; there are {', '.join(PROJECTIONS)}.")
    if axes not in (2, 3):
        raise LongSightError(f"A projection to {axes} dimensions was asked for; 2 or 3 can be drawn.")


def check_points(states: np.ndarray) -> None:
    """Raise `LongSightError` on too few or too many points (depth, point, channel), or on missing ones."""
    points = states.shape[1]
    if not 4 <= points <= MOST_POINTS:
        raise LongSightError(f"{points:,} points were given to a projection; 4 to {MOST_POINTS:,} can be drawn.")
    if not np.isfinite(states).all():
        raise LongSightError("The text was not read to its end, so some hidden states are missing; read it again.")
