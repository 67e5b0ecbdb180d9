"""Where tokens lie in a model's hidden space, seen in two or three dimensions; and how far apart the first ones are."""

from collections.abc import Generator, Sequence
from dataclasses import dataclass

import numpy as np
from threadpoolctl import threadpool_limits

from longsight.errors import LongSightError

from ..records import Record, array, value
from .observed import HiddenRecord
from .reading import STARTING
from .umap_process import lay_out_steps

MOST_POINTS = 8192
PROJECTIONS = ("pca", "umap")


@dataclass(frozen=True, eq=False)
class ClusterRecord(Record):
    """Hidden states of one or several texts in a plane or in space, one view for each depth.

    `separation` says how far the starting tokens lie from the others, in the full hidden space: the distance between
    the two centres, divided by the root mean square distance of the other tokens to their centre. Above 1 the starting
    tokens lie farther out than an ordinary token does. `ordinary` is the same number for other runs of as many tokens
    (their median), for comparison: it is not 0, for any few tokens have a centre of their own.
    """

    model: str = value("name of the model")
    method: str = value("key of the method in METHODS")
    caption: str = value("the method and its parameters in one line")
    projection: str = value("how the plane was found: pca or umap")
    starting_tokens: int = value("how many first tokens of each text count as starting", "tokens")
    texts: tuple[str, ...] = value("names of the texts")
    depth: np.ndarray = array("depth", "after how many layers; 0 is the embedding", "layers")
    text: np.ndarray = array("point", "index of the point's text")
    position: np.ndarray = array("point", "position in the text", "tokens")
    token: np.ndarray = array("point", "text of the token")
    starting: np.ndarray = array("point", "whether it is a starting token")
    coordinates: np.ndarray = array("depth point axis", "where the projection puts the token")
    explained: np.ndarray = array("depth axis", "share of the variance along this axis; NaN for umap", "share")
    separation: np.ndarray = array("depth", "distance of the starting tokens, in spreads of the others")
    ordinary: np.ndarray = array("depth", "the same number for other runs of as many tokens, median")


def project(
    records: Sequence[HiddenRecord],
    names: Sequence[str] = (),
    projection: str = "pca",
    axes: int = 2,
    starting: int = STARTING,
) -> ClusterRecord:
    """`project_steps` run to its end."""
    steps = project_steps(records, names, projection, axes, starting)
    while True:
        try:
            next(steps)
        except StopIteration as finished:
            return finished.value


def project_steps(
    records: Sequence[HiddenRecord], names: Sequence[str], projection: str, axes: int, starting: int
) -> Generator[str, None, ClusterRecord]:
    """Put the hidden states of some texts, read by one model under one method, into one space of `axes` dimensions.

    `projection` is `pca`, or `umap` (McInnes et al. 2018, arXiv 1802.03426, with a fixed seed), which takes long and
    so yields what it is doing; closing ends it. Raises `LongSightError` on readings that do not belong together, on too
    many points, and on unknown projections.
    """
    check_projection(projection, axes)
    _check(records)
    states = np.concatenate([record.states for record in records], axis=1)  # (depth, point, channel)
    _check_points(states)
    first = np.concatenate([record.position - record.unread < starting for record in records])
    views = []
    for place, points in enumerate(states.astype(np.float64)):
        if projection == "pca":
            views.append(pca(points, axes))
        else:
            which = f"depth {place + 1} of {len(states)}, {points.shape[0]:,} points"
            laid_out = yield from lay_out_steps(points, axes, which)
            views.append((laid_out, np.full(axes, np.nan)))  # its axes explain no share of anything
    apart = [separations([record.states[depth] for record in records], starting) for depth in range(len(states))]
    return ClusterRecord(
        model=records[0].model,
        method=records[0].method,
        caption=records[0].caption,
        projection=projection,
        starting_tokens=starting,
        texts=tuple(names) or tuple(f"text {number + 1}" for number in range(len(records))),
        depth=records[0].depth,
        text=np.repeat(np.arange(len(records)), [len(record.position) for record in records]),
        position=np.concatenate([record.position for record in records]),
        token=np.concatenate([record.token for record in records]),
        starting=first,
        coordinates=np.stack([view[0] for view in views]).astype(np.float32),
        explained=np.stack([view[1] for view in views]),
        separation=np.array([pair[0] for pair in apart]),
        ordinary=np.array([pair[1] for pair in apart]),
    )


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


def _check(records: Sequence[HiddenRecord]) -> None:
    if not records:
        raise LongSightError("No hidden states were given; read at least one text.")
    kinds = {(record.model, record.caption, tuple(record.depth.tolist())) for record in records}
    if len(kinds) > 1:
        listed = "; ".join(f"{model} with {caption}" for model, caption, _ in sorted(kinds))
        raise LongSightError(
            f"Hidden states of different readings were given ({listed}); only equal ones share a space."
        )


def _check_points(states: np.ndarray) -> None:
    points = states.shape[1]
    if not 4 <= points <= MOST_POINTS:
        raise LongSightError(f"{points:,} points were given to a projection; 4 to {MOST_POINTS:,} can be drawn.")
    if not np.isfinite(states).all():
        raise LongSightError("The text was not read to its end, so some hidden states are missing; read it again.")
