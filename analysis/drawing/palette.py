"""The colours: one per method, the same in every figure, and the two ramps of distance.

The method colours were searched for the largest smallest difference, to ordinary eyes and to protanopic, deuteranopic
and tritanopic ones (Machado et al. 2009), among those that stand out from a white page and from a near-black one alike.
They are too many for colour alone, so every method has a dash and a marker as well. Where a method stands beside itself
with other parameters, and where there are more methods than colours, colours are varied.
"""

import colorsys
from collections.abc import Sequence

from longsight.errors import LongSightError
from longsight.methods import METHODS

COLOURS = (
    "#6f6f85",  # slate
    "#9ba67a",  # sage
    "#2c644e",  # pine
    "#de9021",  # amber
    "#9000bc",  # violet
    "#43a6ff",  # sky
    "#de4e0b",  # vermilion
    "#379059",  # green
    "#f464d3",  # pink
    "#b1160b",  # red
    "#4e0bff",  # ultramarine
    "#439ba6",  # teal
    "#6f4385",  # plum
    "#646fff",  # periwinkle
    "#9059bc",  # lavender
)
DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")
MOST_ALIKE = 8
"""How many of one method can stand beside each other with colours of their own."""
TURN, MIDDLE, SPAN, LEAST_STRONG = 0.07, 0.5, 0.1, 0.45
"""How a colour is varied: parts of the circle of hues, and lightness that both pages, white and near-black, bear."""
MARKERS = ("circle", "square", "diamond", "triangle-up", "cross", "x", "star")

SEEN = ("#c3e0f5", "#1d4f91")
"""From distance 0 to the trained length."""

UNSEEN = ("#ffb347", "#a33b00")
"""From just past the trained length to twice the trained length, and everything beyond."""

PART_COLOURS = {"starting": "#de9021", "window": "#43a6ff", "middle": "#379059", "fetched": "#f464d3"}
"""Where attention goes; see `analysis.diagnostics.attention.PARTS`."""

SURPRISE = "222, 78, 11"
"""Red, green and blue of the colour behind a token that the model did not expect."""

WEIGHT = ("#3b2f63", "#3a5e8c", "#2a9d8f", "#a8d54f", "#fde725")
"""Attention weights 0.0001, 0.001 ... 1: a hue for each power of ten, all unlike white and near-black."""

DIFFERENCE = ("#a33b00", "#de7a1f", "#ffb347", "rgba(128, 128, 128, 0.25)", "#7cc0f2", "#3b86cc", "#1d4f91")
"""Differences -1, -0.1, -0.01, about 0, 0.01, 0.1 and 1."""


def colour(method: str, again: int = 0) -> str:
    """The colour of a method, by its key in METHODS; `again`: how many of the same method stand before it."""
    place = _place(method)
    return varied(COLOURS[place % len(COLOURS)], again + MOST_ALIKE * (place // len(COLOURS)))


def varied(base: str, times: int) -> str:
    """A colour that can be told from `base`, and is akin to it: another hue nearby, in turns lighter and darker."""
    if times == 0:
        return base
    hue, light, strong = colorsys.rgb_to_hls(*(int(base[at : at + 2], 16) / 255 for at in (1, 3, 5)))
    light = MIDDLE + (SPAN if light < MIDDLE else -SPAN) * (1 if times % 2 else -1)
    turned = colorsys.hls_to_rgb((hue + TURN * times) % 1, light, max(strong, LEAST_STRONG))
    return "#" + "".join(f"{round(255 * part):02x}" for part in turned)


def dash(method: str, again: int = 0) -> str:
    """The dash of a method's line; together with the colour it tells any two methods apart."""
    return DASHES[(_place(method) + again) % len(DASHES)]


def marker(method: str, again: int = 0) -> str:
    """The marker symbol of a method's points."""
    return MARKERS[(_place(method) + again) % len(MARKERS)]


def repeats(methods: Sequence[str]) -> list[int]:
    """For each of these keys, how many equal ones stand before it: what `again` is for methods side by side."""
    return [methods[:place].count(method) for place, method in enumerate(methods)]


def _place(method: str) -> int:
    if method not in METHODS:
        raise LongSightError(f"There is no method {method!r} to colour; the methods are {', '.join(METHODS)}.")
    return list(METHODS).index(method)
