"""A probe that keeps attention weights themselves: an exact crop of a map, or the whole of it pooled."""

import numpy as np
import torch
from torch import Tensor

from longsight.errors import LongSightError

from .attention_block import AttentionWeights
from .distance_map import MOST_CELLS
from .observed import AttentionMap
from .probing import Probe
from .reading import Reading, chosen, draw

Range = tuple[int, int]


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
        pairs = groups.mT @ view.visible[:, : view.ordinary].to(groups) @ into
        self._seen[place, :, first:last] |= (pairs > 0).cpu()
        self._measured[place, first:last] += groups.sum(0).long().cpu()
        if view.fetched is not None:
            self._add_fetched(place, view, int(rows[-1]))

    def _add_fetched(self, place: int, view: AttentionWeights, row: int) -> None:
        """Fetched keys (head, top_k) of the last query, each head's where it is."""
        weights = view.weights[:, -1, view.ordinary :]
        cells = _cell_of(view.fetched, self.columns)
        for at, head in enumerate(self.heads):
            self._sums[place, at, row].index_add_(0, cells[head], weights[head])
            self._seen[place, at, row, cells[head].cpu()] = True

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
