"""Distance maps: which keys each query sees under a method, and how far away the model is told that they are.

Computed from the very object that the library runs, never from a second description of it.
"""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch

from longsight.errors import LongSightError
from longsight.methods import Method

from ..records import Column, Record, array, value

MOST_CELLS = 512
"""More cells a side than this no screen can show, and no figure can carry."""

ORDINARY_FREQUENCIES = 10000.0 ** (-torch.arange(0, 64, 2, dtype=torch.float64) / 64)
"""RoPE's frequencies [radians per token] for 64 channels (Su et al. 2021, arXiv 2104.09864, section 3.2.2)."""

HIDDEN = -1
"""The band of a cell whose query does not see its key."""


@dataclass(frozen=True, eq=False)
class DistanceMap(Record):
    """A method seen from above. Every cell stands for one exact pair of tokens; nothing is averaged.

    With at most as many tokens as cells, every pair has its cell. A longer text is sampled: the same positions, evenly
    spaced from the first token to the last, serve as queries and as keys, so the diagonal is true to `d = 0`, the first
    column to the first token, and the cost does not grow with the text.

    Some methods slow the model's rotations, each by its own factor, instead of changing distances. A fast rotation
    turns fully within a few tokens, so training has shown it every angle; the slowest decides what is unseen. For those
    methods the effective distance is the slowest rotation's.
    """

    query_position: np.ndarray = array("query", "query position i", "tokens")
    key_position: np.ndarray = array("key", "key position j", "tokens")
    effective: np.ndarray = array("query key", "effective distance, NaN where the query does not see the key", "tokens")
    band: np.ndarray = array("query key", "index into bands, -1 where the query does not see the key")
    method: str = value("key of the method in METHODS")
    caption: str = value("the method and its parameters in one line")
    parameters: dict[str, Any] = value("the method's parameters by name")
    bands: tuple[str, ...] = value("names of the method's bands")
    n: int = value("length of the text", "tokens")
    train_length: int = value("length of the model's training", "tokens")
    note: str = value("what the map leaves out; empty when nothing", default="")

    @property
    def distance(self) -> np.ndarray:
        """(query key) true distance `i - j` [tokens]; negative above the diagonal."""
        return self.query_position[:, None] - self.key_position[None, :]

    @property
    def visible(self) -> np.ndarray:
        """(query key) whether the query sees the key."""
        return self.band != HIDDEN

    @property
    def unseen(self) -> np.ndarray:
        """(query key) whether a visible pair stands at a distance that training never showed.

        That is `effective > train_length`. The trained length itself counts as familiar: it is the ceiling that
        LM-Infinite's authors chose, one more than the largest distance of training.
        """
        return np.nan_to_num(self.effective, nan=0.0) > self.train_length

    @property
    def exact(self) -> bool:
        """Whether every pair of tokens has its own cell."""
        return len(self.query_position) == self.n

    @property
    def tokens_per_cell(self) -> float:
        """How many tokens one cell stands for, along each axis."""
        return self.n / len(self.query_position)

    @property
    def pooling(self) -> str:
        """How cells stand for tokens, as a sentence."""
        if self.exact:
            return "One cell is one query and one key."
        return (
            f"One cell stands for {self.tokens_per_cell:,.1f} x {self.tokens_per_cell:,.1f} tokens and shows one exact "
            "pair of them; the pairs are evenly spaced from the first token to the last."
        )

    def columns(self) -> tuple[Column, ...]:
        """Besides the fields: the true distance, the band by name, and whether the distance is unseen."""
        both = ("query", "key")
        names = np.array([*self.bands, ""])[self.band]
        queries, keys, effective, _ = super().columns()
        return (
            queries,
            keys,
            Column("distance", both, "true distance i - j", "tokens", self.distance),
            effective,
            Column("band", both, "band, empty where the query does not see the key", "", names),
            Column("unseen", both, "whether training never showed this distance", "", self.unseen),
        )


def distance_map(method: Method, n: int, train_length: int, cells: int = 256) -> DistanceMap:
    """The map of `method` over a text of `n` tokens, at most `cells` (up to 512) a side.

    Rows and columns of tokens that the method never reads are hidden. Raises `LongSightError` on a bad size.
    """
    _check_size("a text", n, "tokens", 1, None)
    _check_size("a map", cells, "cells a side", 2, MOST_CELLS)
    positions = sampled_positions(n, cells)
    first = n - method.keeps(n)  # tokens before it are never read, and positions start there
    query, key = (torch.from_numpy(p) for p in (positions[:, None] - first, positions[None, :] - first))
    band, effective = _evaluate(method, query, key)
    return DistanceMap(
        query_position=positions,
        key_position=positions,
        effective=effective,
        band=band,
        method=method.key,
        caption=method.describe(),
        parameters=asdict(method),
        bands=tuple(band.name for band in method.bands),
        n=n,
        train_length=train_length,
        note=_note(method, n),
    )


def sampled_positions(n: int, cells: int) -> np.ndarray:
    """All of `n` positions, or `cells` of them, evenly spaced and with both ends -> (cells,) int64."""
    if n <= cells:
        return np.arange(n)
    return np.arange(cells) * (n - 1) // (cells - 1)


def _evaluate(method: Method, query: torch.Tensor, key: torch.Tensor) -> tuple[np.ndarray, np.ndarray]:
    """The band and the effective distance of every pair; both axes positions as the method counts them, < 0 unread."""
    visible = ((query >= 0) & (key >= 0) & method.visible(query, key)).numpy()
    distance = method.distance(query, key).to(torch.float64) * slowest_rotation(method, query)
    effective = np.where(visible, distance.numpy(), np.nan)
    band = np.full(visible.shape, HIDDEN, dtype=np.int8)
    for index, candidate in enumerate(method.bands):
        band[visible & candidate.visible(query, key).numpy()] = index
    return band, effective


def slowest_rotation(method: Method, query: torch.Tensor) -> torch.Tensor:
    """The factor on the slowest rotation of queries (query, 1) -> (query, 1) float64; 1 where none changes."""
    each = method.lengths(query.flatten())
    lengths = torch.zeros_like(query) if each is None else each.reshape(query.shape)
    known, places = lengths.unique(return_inverse=True)
    slowed = [method.inv_freq(ORDINARY_FREQUENCIES, length)[-1] for length in known.tolist()]
    return (torch.stack(slowed) / ORDINARY_FREQUENCIES[-1])[places]


def _note(method: Method, n: int) -> str:
    """What the method does besides choosing keys and distances."""
    notes = []
    if not torch.equal(
        method.inv_freq(ORDINARY_FREQUENCIES, method.length_at(torch.tensor(n - 1))), ORDINARY_FREQUENCIES
    ):
        notes.append(
            "Each rotation of the position encoding is slowed by its own factor; drawn is the slowest one's distance."
        )
    if found := method.retrieval:
        notes.append(
            f"Not drawn, as they depend on the content: in layers from {found.from_layer} on, each head also fetches "
            f"{found.top_k} of the hidden keys and sees them at distance {found.insert_at:,}."
        )
    scale = method.logit_scale(torch.tensor([n - 1]))
    if scale is not None and float(scale) != 1:
        notes.append(f"Not drawn: the logits of the last query are multiplied by {float(scale):.3g}.")
    return " ".join(notes)


def _check_size(what: str, size: int, unit: str, low: int, high: int | None) -> None:
    if size < low or (high is not None and size > high):
        limits = f"from {low} to {high:,}" if high is not None else f"{low} or more"
        raise LongSightError(f"The map of {what} with {size:,} {unit} was asked for; {limits} would work.")
