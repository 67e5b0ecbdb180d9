"""What the distance-map panel shows of one method: the true map, and the same rule in small, with its numbers."""

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace

import numpy as np
import plotly.graph_objects as go

from analysis.diagnostics.distance_map import DistanceMap, distance_figure, distance_map, groups_of
from app.session import given_numbers
from longsight.methods import Composed, Method, dpe

CELLS = 192  # a side of the true map; the figure stays well under 2 MB, with the full hover
SMALL = (4, 24)  # tokens of the small map; more could not carry their numbers
SMALL_TRAINED = (4, 16)
MOST_TOKENS = 10_000_000
LENGTH = "The length of the text"
MOST_GROUPS = dpe.MOST_GROUPS


@dataclass(frozen=True)
class MethodMaps:
    """Both maps of one method."""

    small: DistanceMap
    true: DistanceMap

    @property
    def said_of_small(self) -> str:
        """What the small map is, as a sentence."""
        if self.small.caption == self.true.caption:
            return f"The same rule, for the first {self.small.n} tokens."
        return (
            f"In small, by its rule of thumb for a model trained on {self.small.train_length} tokens: "
            f"{self.small.caption}."
        )


def method_maps(
    method: Method, tokens: int, train_length: int, small: int, small_trained: int, group: int = 0
) -> MethodMaps:
    """What one `group` of frequencies or heads is told, counted from 1; 0, or more than there are: the last.
    Raises `LongSightError` on sizes that cannot be drawn."""
    check(LENGTH, tokens, (1, MOST_TOKENS))
    check("The small text", small, SMALL)
    check("The small trained length", small_trained, SMALL_TRAINED)
    check_group(group)
    own = isinstance(method, Composed)  # a rule of one's own has no rule of thumb: its beginning is shown
    tiny = method if own else miniature(type(method), small, small_trained)
    return MethodMaps(
        distance_map(tiny, small, train_length if own else small_trained, SMALL[1], _place(tiny, group)),
        distance_map(method, tokens, train_length, CELLS, _place(method, group)),
    )


def _place(method: Method, group: int) -> int | None:
    return group - 1 if 1 <= group <= groups_of(method) else None


def check_group(group: object) -> int:
    """The number of a group of frequencies or heads. Raises `LongSightError` for what is none."""
    return given_numbers.whole("The group of frequencies or heads (1: the first, 0: the last)", group, 0, MOST_GROUPS)


def check(what: str, value: object, limits: tuple[int, int]) -> int:
    """The value. Raises `LongSightError` unless `value` is a whole number within `limits`."""
    return given_numbers.whole(what, value, *limits, "tokens")


def miniature(method: type[Method], tokens: int, train_length: int) -> Method:
    """The method as its own rule of thumb sets it for a model trained on a handful of tokens.

    Counts that do not follow the trained length (ten starting tokens) would fill so small a map: a quarter at most.
    """
    tiny = method.for_model(train_length, tokens)
    fixed = [
        spec.name
        for spec in fields(method)
        if spec.metadata["unit"] == "tokens" and spec.default == getattr(tiny, spec.name)
    ]
    return replace(tiny, **{name: min(getattr(tiny, name), max(train_length // 4, 1)) for name in fixed})


def map_figure(record: DistanceMap) -> go.Figure:
    """The map without a legend and a title of its own: several stand side by side and share them."""
    figure = distance_figure(record)
    figure.update_traces(showscale=False)
    return figure.update_layout(title=None, margin={"l": 56, "r": 8, "t": 8, "b": 48})


def what_to_see(record: DistanceMap) -> str:
    """A plain sentence about the true map: how much is seen, and how much of it is foreign to the model."""
    return " ".join(_sentences(record))


def _sentences(record: DistanceMap) -> Iterator[str]:
    pairs = record.distance >= 0
    seen = record.visible.sum() / pairs.sum()
    yield "Every pair is seen." if seen == 1 else f"{_percent(seen)} of the pairs are seen; the blank ones are hidden."
    longest = np.nanmax(record.effective, initial=0)
    foreign = record.unseen.sum() / max(record.visible.sum(), 1)
    if foreign:
        yield (
            f"{_percent(foreign)} of those stand at distances that training never showed (orange), up to "
            f"{longest:,.0f} where the model knows {record.train_length:,}: there its attention can do anything."
        )
    else:
        yield (
            f"The farthest pair drawn is told to be {longest:,.0f} away, of {record.train_length:,} known from "
            "training: nothing is foreign."
        )
    if record.note:
        yield record.note


def _percent(share: float) -> str:
    return "Under 1 %" if share < 0.01 else f"{share:.0%}".replace("%", " %")
