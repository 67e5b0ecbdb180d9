"""Distance maps: which keys each query sees under a method, and how far away the model is told that they are.

Computed from the very object that the library runs, never from a second description of it.
"""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import plotly.graph_objects as go
import torch

from longsight.errors import LongSightError
from longsight.methods import Method
from longsight.methods.base import of_group

from ..drawing.layout import MOST_CELLS, plain_layout
from ..drawing.palette import SEEN, UNSEEN
from ..export.records import Column, Record, array, value
from .effective_distance import ORDINARY_FREQUENCIES, slowest_rotation

NUMBERED_TOKENS = 24
"""Up to this many tokens the distances are written into the cells, as in figure 2 of the LM-Infinite paper."""

FULL_HOVER_CELLS = 256
"""Past this many cells a side, the true distance and the band leave the hover, to keep the figure under 2 MB."""

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


def distance_map(method: Method, n: int, train_length: int, cells: int = 256, group: int | None = None) -> DistanceMap:
    """The map of `method` over a text of `n` tokens, at most `cells` (up to 512) a side.

    Rows and columns of tokens that the method never reads are hidden. Where groups of frequencies or of heads are told
    apart, it is that of one `group`, counted from 0; by default of the last (see `groups_of`). Raises `LongSightError`
    on a bad size or group, and for a text that is too long for the method.
    """
    groups = groups_of(method)
    group = groups - 1 if group is None else group
    if not 0 <= group < groups:
        raise LongSightError(f"{method.title}: there is no group {group}, only 0 to {groups - 1}.")
    _check_size("a text", n, "tokens", 1, None)
    _check_size("a map", cells, "cells a side", 2, MOST_CELLS)
    method.check_length(n)
    positions = sampled_positions(n, cells)
    first = n - method.keeps(n)  # tokens before it are never read, and positions start there
    query, key = (torch.from_numpy(p) for p in (positions[:, None] - first, positions[None, :] - first))
    rule = method.head_rules[group] if method.head_rules else method
    band, effective = _evaluate(rule, query, key, group)
    return DistanceMap(
        query_position=positions,
        key_position=positions,
        effective=effective,
        band=band,
        method=method.key,
        caption=method.describe(),
        parameters=asdict(method),
        bands=tuple(band.name for band in rule.bands),
        n=n,
        train_length=train_length,
        note=_note(method, n, group),
    )


def groups_of(method: Method) -> int:
    """How many maps a method has: of groups of frequencies, the fastest first, or of heads, in the order of its
    `head_rules`; of most methods one."""
    return len(method.head_rules) or method.frequency_groups


def sampled_positions(n: int, cells: int) -> np.ndarray:
    """All of `n` positions, or `cells` of them, evenly spaced and with both ends -> (cells,) int64."""
    if n <= cells:
        return np.arange(n)
    return np.arange(cells) * (n - 1) // (cells - 1)


def _evaluate(method: Method, query: torch.Tensor, key: torch.Tensor, group: int) -> tuple[np.ndarray, np.ndarray]:
    """The band and the effective distance of every pair; both axes positions as the method counts them, < 0 unread."""
    visible = ((query >= 0) & (key >= 0) & method.visible(query, key)).numpy()
    distance = of_group(method.distance(query, key), group).to(torch.float64) * slowest_rotation(method, query)
    effective = np.where(visible, distance.numpy(), np.nan)
    band = np.full(visible.shape, HIDDEN, dtype=np.int8)
    for index, candidate in enumerate(method.bands):
        band[visible & candidate.visible(query, key).numpy()] = index
    return band, effective


def _note(method: Method, n: int, group: int) -> str:
    """What the method does besides choosing keys and distances."""
    notes = []
    if len(method.head_rules) > 1:
        others = " and ".join(rule.describe() for rule in method.head_rules if rule != method.head_rules[group])
        notes.append(
            f"Heads follow rules of their own: drawn is group {group + 1} of {len(method.head_rules)}, "
            f"{method.head_rules[group].describe()}; others: {others}."
        )
    if method.frequency_groups > 1:
        notes.append(
            f"Groups of frequencies are told distances of their own: drawn is group {group + 1} of "
            f"{method.frequency_groups}, counted from the fastest."
        )
    if not torch.equal(
        method.inv_freq(ORDINARY_FREQUENCIES, method.length_at(torch.tensor(n - 1))), ORDINARY_FREQUENCIES
    ):
        notes.append(
            "Each rotation of the position encoding is slowed by its own factor; drawn is the slowest one's distance."
        )
    if found := method.retrieval:
        where = f" in layers from {found.from_layer} on," if found.from_layer else ""
        notes.append(f"Not drawn, as they depend on the content:{where} {found.told}.")
    scale = method.logit_scale(torch.tensor([n - 1]))
    if scale is not None and float(scale) != 1:
        notes.append(f"Not drawn: the logits of the last query are multiplied by {float(scale):.3g}.")
    return " ".join(notes)


def _check_size(what: str, size: int, unit: str, low: int, high: int | None) -> None:
    if size < low or (high is not None and size > high):
        limits = f"from {low} to {high:,}" if high is not None else f"{low} or more"
        raise LongSightError(f"The map of {what} with {size:,} {unit} was asked for; {limits} would work.")


def distance_figure(record: DistanceMap) -> go.Figure:
    """The map as a heat map: queries downwards, keys to the right, hidden pairs blank.

    The colours depend on the trained length alone, so maps of one model can be compared by eye: blue up to the trained
    length, orange beyond it.
    """
    figure = go.Figure(_heatmap(record), plain_layout(record.caption))
    figure.update_xaxes(title_text="key position j", constrain="domain", showgrid=False, zeroline=False)
    figure.update_yaxes(
        title={"text": "query position i", "standoff": 6},
        automargin=True,
        autorange="reversed",
        scaleanchor="x",
        constrain="domain",
        showgrid=False,
        zeroline=False,
    )
    return figure


def colour_scale(train_length: int) -> list[tuple[float, str]]:
    """Colours over 0 to `2 * train_length`, with the break half-way between the trained length and one token more."""
    edge = (train_length + 0.5) / (2 * train_length)
    return [(0.0, SEEN[0]), (edge, SEEN[1]), (edge, UNSEEN[0]), (1.0, UNSEEN[1])]


def _heatmap(record: DistanceMap) -> go.Heatmap:
    length = record.train_length
    heatmap = go.Heatmap(
        x=record.key_position,
        y=record.query_position,
        z=record.effective.astype(np.float32),  # half the size, and exact up to 16 million tokens
        zmin=0,
        zmax=2 * length,
        colorscale=colour_scale(length),
        colorbar={
            "title": {"text": "effective distance [tokens]", "side": "right"},
            "tickvals": [0, length // 2, length, 2 * length],
            "ticktext": ["0", f"{length // 2:,}", f"{length:,} (trained)", f"{2 * length:,} or more"],
            "outlinewidth": 0,
        },
        hoverongaps=False,
        hovertemplate="query i = %{y:,}, key j = %{x:,}<br>effective distance %{z:,~f}" + _cell(record),
    )
    if len(record.query_position) <= FULL_HOVER_CELLS:
        heatmap.update(
            customdata=np.where(record.visible, record.distance, 0).astype(np.int32 if record.n < 2**31 else np.int64),
            text=_words(record),
            hovertemplate="query i = %{y:,}, key j = %{x:,}<br>true distance %{customdata:,}<br>"
            "effective distance %{z:,~f}<br>%{text}" + _cell(record),
        )
    if record.exact and record.n <= NUMBERED_TOKENS:
        heatmap.update(texttemplate="%{z:.4~g}", xgap=1, ygap=1)
    return heatmap


def _cell(record: DistanceMap) -> str:
    side = f"{record.tokens_per_cell:,.1f}"
    return "<extra></extra>" if record.exact else f"<extra>one exact pair<br>for {side} x {side} tokens</extra>"


def _words(record: DistanceMap) -> list[list[str]]:
    """For every cell its band and whether training showed the distance; empty where hidden."""
    seen = np.array([*record.bands, ""])
    unseen = np.array([f"{name}, unseen" for name in record.bands] + [""])
    return np.where(record.unseen, unseen[record.band], seen[record.band]).tolist()
