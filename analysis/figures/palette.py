"""The colours: one per method, the same in every figure, and the two ramps of distance.

The method colours were searched for the largest smallest difference, to ordinary eyes and to protanopic, deuteranopic
and tritanopic ones (Machado et al. 2009), among those that stand out from a white page and from a near-black one alike.
Fifteen are too many for colour alone, so every method has a dash and a marker as well.
"""

from engine.errors import LongSightError
from engine.methods import METHODS

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
MARKERS = ("circle", "square", "diamond", "triangle-up", "cross", "x", "star")

SEEN = ("#c3e0f5", "#1d4f91")
"""From distance 0 to the trained length."""

UNSEEN = ("#ffb347", "#a33b00")
"""From just past the trained length to twice the trained length, and everything beyond."""

PART_COLOURS = {"starting": "#de9021", "window": "#43a6ff", "middle": "#379059", "fetched": "#f464d3"}
"""Where attention goes; see `analysis.observed.PARTS`."""

SURPRISE = "222, 78, 11"
"""Red, green and blue of the colour behind a token that the model did not expect."""

WEIGHT = ("#3b2f63", "#3a5e8c", "#2a9d8f", "#a8d54f", "#fde725")
"""Attention weights 0.0001, 0.001 ... 1: a hue for each power of ten, all unlike white and near-black."""

DIFFERENCE = ("#a33b00", "#de7a1f", "#ffb347", "rgba(128, 128, 128, 0.25)", "#7cc0f2", "#3b86cc", "#1d4f91")
"""Differences -1, -0.1, -0.01, about 0, 0.01, 0.1 and 1."""


def colour(method: str) -> str:
    """The colour of a method, by its key in METHODS; a sixteenth shares the first one's, with another dash."""
    return COLOURS[_place(method) % len(COLOURS)]


def dash(method: str) -> str:
    """The dash of a method's line; together with the colour it tells any two methods apart."""
    return DASHES[_place(method) % len(DASHES)]


def marker(method: str) -> str:
    """The marker symbol of a method's points."""
    return MARKERS[_place(method) % len(MARKERS)]


def _place(method: str) -> int:
    if method not in METHODS:
        raise LongSightError(f"There is no method {method!r} to colour; the methods are {', '.join(METHODS)}.")
    return list(METHODS).index(method)
