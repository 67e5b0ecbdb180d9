"""Attention weights themselves: an exact crop of a map or the whole of it pooled, in small, large, and subtracted."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import plotly.graph_objects as go
import torch
from plotly.subplots import make_subplots
from torch import Tensor

from longsight.errors import LongSightError

from ..drawing.curves import short
from ..drawing.layout import INK, MOST_CELLS, plain_layout
from ..drawing.palette import DIFFERENCE, WEIGHT
from ..drawing.powers_of_ten import colour_by_powers
from ..export.records import array, value
from .attention_block import AttentionWeights
from .observed import Observed
from .probing import Probe
from .reading import Reading, chosen, draw

NAMED_CELLS = 128
"""Up to this many cells a side the hover names tokens; past it the names would take the figure over 2 MB."""

TOKENS_ON_AXES, LONGEST_TICK = 24, 14
"""Up to so many cells a side an exact map has its tokens at its axes, each with up to so many characters."""

MOST_OVERVIEW = 2**17
"""Cells of all maps of an overview together."""

WEIGHTS = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)
SHARE = "%{z:.3~g}"
DIFFERENCES = (-1.0, -0.1, -0.01, 0.0, 0.01, 0.1, 1.0)

Range = tuple[int, int]


@dataclass(frozen=True, eq=False)
class AttentionMap(Observed):
    """Attention weights of chosen layers and heads over a range of queries and keys.

    A cell holds the attention that falls on its keys, mean over its measured queries; where a cell is one query and one
    key, that is the attention weight itself. NaN: no query of the cell sees a key of it.
    """

    sampling: str = value("which queries were measured")
    queries: tuple[int, ...] = value("first query and the one after the last", "tokens")
    keys: tuple[int, ...] = value("first key and the one after the last", "tokens")
    layer: np.ndarray = array("layer", "number of the layer, from 0")
    head: np.ndarray = array("head", "number of the head, from 0")
    query_position: np.ndarray = array("row", "position of the cell's first query", "tokens")
    key_position: np.ndarray = array("column", "position of the cell's first key", "tokens")
    query_token: np.ndarray = array("row", "text of the cell's first query")
    key_token: np.ndarray = array("column", "text of the cell's first key")
    weight: np.ndarray = array("layer head row column", "attention on the cell's keys, mean over its queries", "share")

    @property
    def exact(self) -> bool:
        """Whether a cell is one query and one key."""
        return self.weight.shape[2:] == (self.queries[1] - self.queries[0], self.keys[1] - self.keys[0])

    def of_head(self, layer: int, head: int) -> np.ndarray:
        """(row column) the weights of one head. Raises `LongSightError` on a layer or head that the record lacks."""
        return self.weight[_place("layer", self.layer, layer), _place("head", self.head, head)]

    @property
    def pooling(self) -> str:
        """How cells stand for tokens, as a sentence."""
        if self.exact:
            return "One cell is one query and one key."
        rows, columns = self.weight.shape[2:]
        tall, wide = (self.queries[1] - self.queries[0]) / rows, (self.keys[1] - self.keys[0]) / columns
        return (
            f"One cell stands for {tall:,.1f} queries x {wide:,.1f} keys: the attention that falls on its keys, "
            f"mean over its queries. {self.sampling}"
        )


class MapProbe(Probe):
    """Attention weights of `layers` and `heads` over `queries` x `keys` (first, one after the last; default: all).

    A side of at most `cells` tokens is kept exactly. A longer one is cut into `cells` cells: the attention that falls
    on a cell's keys is summed, and its measured queries are averaged. Raises `LongSightError` on a range without tokens
    that are read, and on layers or heads that the model does not have.
    """

    def __init__(
        self,
        reading: Reading,
        layers: tuple[int, ...] | None = None,
        heads: tuple[int, ...] | None = None,
        queries: Range | None = None,
        keys: Range | None = None,
        cells: int = 128,
    ) -> None:
        super().__init__(reading)
        if not 1 <= cells <= MOST_CELLS:
            raise LongSightError(f"A map of {cells} cells a side was asked for; 1 to {MOST_CELLS} would work.")
        self.layers = reading.chosen_layers(layers)
        self.heads = chosen("head", heads, reading.heads - 1, reading.model.name)
        self.rows, self.columns = (_cells("queries", reading, x, cells) for x in (queries, keys))
        self.queries = self._choose_queries()
        shape = (len(self.layers), len(self.heads), len(self.rows) - 1, len(self.columns))  # last column: outside
        self._sums = torch.zeros(shape, device=reading.model.device)
        self._seen = torch.zeros(shape, dtype=torch.bool)
        self._measured = torch.zeros(shape[0], shape[2], dtype=torch.int64)

    def _choose_queries(self) -> np.ndarray:
        first, last = int(self.rows[0]), int(self.rows[-1])
        if (first, last) == (0, len(self.reading.read)):
            return self.reading.queries
        return first + draw(last - first, self.reading.most)

    def see(self, view: AttentionWeights) -> None:
        place = self.layers.index(view.layer)
        rows, columns = _cell_of(view.i, self.rows), _cell_of(view.j[: view.ordinary], self.columns)
        first, groups = int(rows[0]), _one_hot(rows - rows[0], int(rows[-1] - rows[0]) + 1, view.logits)
        last = first + groups.shape[1]
        into = _one_hot(columns, len(self.columns), view.logits)  # (key, column)
        pooled = view.over_queries(groups)[..., : view.ordinary]
        self._sums[place, :, first:last] += (pooled @ into)[list(self.heads)]
        pairs = groups.mT @ view.visible_to(self.heads).to(groups) @ into
        self._seen[place, :, first:last] |= (pairs > 0).cpu()
        self._measured[place, first:last] += groups.sum(0).long().cpu()
        if view.fetched is not None:
            self._add_fetched(place, view, rows)

    def _add_fetched(self, place: int, view: AttentionWeights, rows: torch.Tensor) -> None:
        """Fetched keys (head, key), each head's where it is, with what each query gives them."""
        weights, cells = view.weights[:, :, view.ordinary :], _cell_of(view.fetched, self.columns)
        shown = (view.logits[:, :, view.ordinary :] != -torch.inf).cpu()
        for query, row in enumerate(rows.tolist()):
            for at, head in enumerate(self.heads):
                self._sums[place, at, row].index_add_(0, cells[head], weights[head, query])
                self._seen[place, at, row, cells[head].cpu()[shown[head, query]]] = True

    def record(self) -> AttentionMap:
        measured = self._measured.numpy()[:, None, :, None]
        with np.errstate(invalid="ignore"):
            weight = self._sums.cpu().numpy() / measured
        weight[~self._seen.numpy()] = np.nan
        rows, columns = (self.reading.unread + x[:-1] for x in (self.rows, self.columns))
        return AttentionMap(
            **self.reading.header(),
            sampling=self.reading.sampling if self.queries is self.reading.queries else self._own_sampling(),
            queries=_range(self.reading, self.rows),
            keys=_range(self.reading, self.columns),
            layer=np.array(self.layers),
            head=np.array(self.heads),
            query_position=rows,
            key_position=columns,
            query_token=self.reading.tokens[rows],
            key_token=self.reading.tokens[columns],
            weight=weight[..., :-1].astype(np.float32),
        )

    def _own_sampling(self) -> str:
        count = int(self.rows[-1] - self.rows[0])
        if len(self.queries) == count:
            return "Every query of the range was measured."
        return f"{len(self.queries):,} of the {count:,} queries of the range were measured."


def _cells(what: str, reading: Reading, asked: Range | None, cells: int) -> np.ndarray:
    """(cell + 1,) where cells begin, and where the last one ends, counted as the method counts."""
    first, last = (0, reading.n) if asked is None else asked
    begin, end = max(first - reading.unread, 0), min(last, reading.n) - reading.unread
    if not 0 <= first < last or begin >= end:
        raise LongSightError(
            f"A map of tokens {first:,} to {last - 1:,} was asked for; {reading.method.title} reads tokens "
            f"{reading.unread:,} to {reading.n - 1:,} of this text."
        )
    count = min(cells, end - begin)
    return begin + np.arange(count + 1) * (end - begin) // count


def _cell_of(positions: Tensor, edges: np.ndarray) -> Tensor:
    """The cell that each position falls into; one past the last for those outside."""
    limits = torch.from_numpy(edges).to(positions.device)
    found = torch.searchsorted(limits, positions.contiguous(), right=True) - 1
    return torch.where((found < 0) | (found >= len(edges) - 1), len(edges) - 1, found)


def _one_hot(numbers: Tensor, count: int, like: Tensor) -> Tensor:
    """(n, count) 1 where row and number agree."""
    return (numbers[:, None] == torch.arange(count, device=numbers.device)).to(like)


def _range(reading: Reading, edges: np.ndarray) -> Range:
    return reading.unread + int(edges[0]), reading.unread + int(edges[-1])


def overview_cells(maps: int) -> int:
    """How many cells a side an overview of so many maps may have: 8 to 64."""
    return int(np.clip(np.sqrt(MOST_OVERVIEW / maps), 8, 64))


def overview_figure(record: AttentionMap) -> go.Figure:
    """Every layer (downwards) and head (to the right) of a record in small, in one scale of colours."""
    layers, heads, rows, columns = record.weight.shape
    if layers * heads * rows * columns > 4 * MOST_OVERVIEW:
        raise LongSightError(
            f"An overview of {layers * heads:,} maps of {rows} x {columns} cells is too much to draw; "
            f"{overview_cells(layers * heads)} cells a side would work, or fewer layers."
        )
    figure = make_subplots(
        layers, heads, row_titles=[f"layer {n}" for n in record.layer], horizontal_spacing=0.06 / heads,
        column_titles=[f"{n}" for n in record.head], vertical_spacing=0.06 / layers,
    )  # fmt: skip
    figure.update_layout(plain_layout(f"{record.caption}: layers downwards, heads to the right"))
    for layer, head in np.ndindex(layers, heads):
        hover = f"layer {record.layer[layer]}, head {record.head[head]}<br>{_hover(SHARE)}"
        heatmap = go.Heatmap(
            x=record.key_position, y=record.query_position, z=short(record.weight[layer, head]), coloraxis="coloraxis",
            hoverongaps=False, hovertemplate=hover,
        )  # fmt: skip
        figure.add_trace(heatmap, layer + 1, head + 1)
    _frame(figure, record, showticklabels=False, fixedrange=True)  # else handles lie over the maps beside each
    figure.update_annotations(font={"size": 11, "color": INK})
    figure.update_xaxes(title_text="key", row=layers, col=1)
    figure.update_yaxes(title_text="query", row=layers, col=1)
    figure.update_layout(height=110 + 90 * layers, margin={"t": 70, "l": 40, "b": 40, "r": 40})
    return colour_by_powers(figure, WEIGHTS, WEIGHT).update_layout(meta={"x": "key", "y": "query"})


def map_figure(record: AttentionMap, layer: int, head: int, mark: int | None = None) -> go.Figure:
    """One head large. Raises `LongSightError` on a layer or head that the record does not hold."""
    weight = record.of_head(layer, head)
    title = f"{record.caption}: layer {layer}, head {head}"
    return colour_by_powers(_large(record, weight, title, SHARE, mark), WEIGHTS, WEIGHT)


def difference_figure(
    one: AttentionMap, other: AttentionMap, layer: int, head: int, mark: int | None = None
) -> go.Figure:
    """The first map minus the second; a key that one of them hides counts as 0 there, one that both hide is blank.

    Raises `LongSightError` when the two do not show the same tokens.
    """
    if (one.queries, one.keys, one.weight.shape[2:]) != (other.queries, other.keys, other.weight.shape[2:]):
        raise LongSightError(
            f"Two maps of different tokens have no difference: queries {one.queries} and keys {one.keys} against "
            f"queries {other.queries} and keys {other.keys}."
        )
    first, second = (record.of_head(layer, head) for record in (one, other))
    weight = np.nan_to_num(first) - np.nan_to_num(second)
    weight[np.isnan(first) & np.isnan(second)] = np.nan
    title = f"{one.caption} minus {other.caption}: layer {layer}, head {head}"
    return colour_by_powers(_large(one, weight, title, "%{z:+.3~g}", mark), DIFFERENCES, DIFFERENCE)


def _place(what: str, numbers: np.ndarray, asked: int) -> int:
    places = np.flatnonzero(numbers == asked)
    if not len(places):
        raise LongSightError(f"The map has no {what} {asked}; it has {', '.join(map(str, numbers))}.")
    return int(places[0])


def _large(record: AttentionMap, weight: np.ndarray, title: str, value: str, mark: int | None) -> go.Figure:
    heatmap = go.Heatmap(
        x=record.key_position, y=record.query_position, z=short(weight), coloraxis="coloraxis", hoverongaps=False,
        hovertemplate=_hover(value),
    )  # fmt: skip
    if max(weight.shape) <= NAMED_CELLS:
        words = [f"{query!r} looks at " for query in record.query_token.tolist()]
        keys = [f"{key!r}<br>" for key in record.key_token.tolist()]
        heatmap.update(text=[[word + key for key in keys] for word in words], hovertemplate="%{text}" + _hover(value))
    figure = go.Figure(heatmap, plain_layout(title))
    figure.update_layout(xaxis_title_text="key position j", yaxis_title_text="query position i")
    _frame(figure, record)
    if record.exact and max(weight.shape) <= TOKENS_ON_AXES:
        figure.update_xaxes(title_text="key j", **_ticks(record.key_position, record.key_token), tickangle=-90)
        figure.update_yaxes(title_text="query i", **_ticks(record.query_position, record.query_token))
    if mark is not None:
        figure.add_vline(mark, line={"color": INK, "width": 1}, name="mark")
        figure.add_hline(mark, line={"color": INK, "width": 1}, name="mark")
    return figure.update_layout(height=620, meta={"x": "key", "y": "query", "pooled": not record.exact})


def _frame(figure: go.Figure, record: AttentionMap, **axes: bool) -> None:
    """Show the range asked for, queries downwards, square if it is; plotly finds none in a map that is blank so far."""
    tall, wide = np.diff([record.queries, record.keys])[:, 0] / record.weight.shape[2:] / 2  # half a cell
    figure.update_xaxes(range=np.array(record.keys) - wide, showgrid=False, zeroline=False, **axes)
    figure.update_yaxes(range=np.array(record.queries)[::-1] - tall, showgrid=False, zeroline=False, **axes)
    if record.queries[1] - record.queries[0] == record.keys[1] - record.keys[0]:
        figure.update_xaxes(constrain="domain")
        figure.for_each_yaxis(lambda axis: axis.update(scaleanchor=axis.anchor or "x", constrain="domain"))


def _ticks(positions: np.ndarray, tokens: np.ndarray) -> dict[str, Any]:
    """The tokens themselves at an axis, with room for them."""
    words = [repr(token)[1:-1] for token in tokens.tolist()]
    cut = [word if len(word) <= LONGEST_TICK else word[: LONGEST_TICK - 1] + "…" for word in words]
    return {"tickvals": positions, "ticktext": cut, "automargin": True, "tickfont": {"size": 10}}


def _hover(value: str) -> str:
    return f"query i = %{{y:,}}, key j = %{{x:,}}<br>attention {value}<extra></extra>"
