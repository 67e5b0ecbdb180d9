"""Many figures side by side in one place: drawn as they come, one position marked in all, each saved as PNG or SVG.

A click triggers `pick` with `position`, or with `layer` and `head` where one of many small maps was clicked; a frame
drawn in a pooled map triggers `zoom` with `queries` and `keys`, first and end, or None for all.
"""

import html
from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Any

import gradio as gr
import plotly.graph_objects as go

from analysis.drawing import palette
from analysis.export.page import LINKED
from app.components.plot import THEMED, drawn, script
from longsight.methods import Method

DRAW = THEMED + LINKED + (files(__package__) / "board.js").read_text(encoding="utf-8")
TEMPLATE = (
    '<div class="board"><p class="note" hidden></p><div class="figures"></div><div class="texts" hidden></div></div>'
)


def board(value: dict[str, Any] | None = None, **options: Any) -> gr.HTML:
    """A place for what `board_value` returns."""
    return gr.HTML(value, html_template=TEMPLATE, js_on_load=DRAW, head=script(), **options)


def board_value(
    figures: Mapping[str, go.Figure],
    methods: Sequence[Method],
    texts: Mapping[str, str] | None = None,
    note: str = "",
) -> dict[str, Any]:
    """Figures by name, and HTML about methods by their key. A figure whose name ends with a method's key shows that one
    alone, and stands beside those of the others."""
    endings = tuple(f"-{method.key}" for method in methods)
    by_key = {method.key: method for method in methods}
    return {
        "note": note,
        "columns": len(methods),
        "figures": [
            {"name": name, "wide": not name.endswith(endings), "json": drawn(figure)}
            for name, figure in figures.items()
        ],
        "texts": [
            {"title": by_key[key].describe(), "colour": palette.colour(key), "html": text}
            for key, text in (texts or {}).items()
        ],
    }


def side_view(method: Method, state: str, said: str, error: str = "", part: float | None = None) -> str:
    """How far one method is, as HTML: its colour, its name and parameters, a sentence, and a bar while it works."""
    bar = "" if state != "working" else f'<progress class="bar" max="1" value="{part or 0:.3f}"></progress>'
    problem = f'<p class="problem" role="alert">{html.escape(error)}</p>' if error else ""
    return (
        f'<div class="side" data-state="{state}" style="--method:{palette.colour(method.key)}">'
        f"<b>{html.escape(method.describe())}</b><span>{html.escape(said)}</span>{bar}{problem}</div>"
    )
