"""Many figures side by side in one place: drawn as they come, one position marked in all, each saved as PNG or SVG.

A click triggers `pick` with `position`, or with `layer` and `head` where one of many small maps was clicked; a frame
drawn in a pooled map triggers `zoom` with `queries` and `keys`, first and end, or None for all.
"""

from collections.abc import Sequence
from importlib.resources import files
from typing import Any, TypedDict

import gradio as gr

from analysis.drawing.drawn_figure import DrawnFigure
from analysis.export.page import LINKED
from app.components.plot import THEMED, drawn, script

DRAW = THEMED + LINKED + (files(__package__) / "board.js").read_text(encoding="utf-8")
TEMPLATE = (
    '<div class="board"><p class="note" hidden></p><div class="figures"></div><div class="texts" hidden></div></div>'
)


class FigureView(TypedDict):
    """A figure as plotly's JSON; a `wide` one stands above those of single runs."""

    name: str
    wide: bool
    json: str


class BoardText(TypedDict):
    """HTML beside the figures, under a title in a colour."""

    title: str
    colour: str
    html: str


class BoardView(TypedDict):
    """What `board.js` draws."""

    note: str
    columns: int
    figures: list[FigureView]
    texts: list[BoardText]


def board(value: BoardView | None = None, **options: Any) -> gr.HTML:
    """A place for what `board_value` returns."""
    return gr.HTML(value, html_template=TEMPLATE, js_on_load=DRAW, head=script(), **options)


def board_value(
    figures: Sequence[DrawnFigure] = (), columns: int = 1, texts: Sequence[BoardText] = (), note: str = ""
) -> BoardView:
    """What the board shows. Figures of a single run stand beside each other in `columns`, others above them."""
    return {
        "note": note,
        "columns": columns,
        "figures": [{"name": each.name, "wide": each.run is None, "json": drawn(each.figure)} for each in figures],
        "texts": [*texts],
    }
