"""Many figures side by side in one place: drawn as they come, one position marked in all, each saved as PNG or SVG.

A click triggers `pick` with `position`, or with `layer` and `head` where one of many small maps was clicked; a frame
drawn in a pooled map triggers `zoom` with `queries` and `keys`, first and end, or None for all.
"""

import html
from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Any

import gradio as gr

from analysis.drawing.drawn_figure import DrawnFigure
from analysis.export.page import LINKED
from analysis.runs import Run
from app.components.plot import THEMED, drawn, script

DRAW = THEMED + LINKED + (files(__package__) / "board.js").read_text(encoding="utf-8")
TEMPLATE = (
    '<div class="board"><p class="note" hidden></p><div class="figures"></div><div class="texts" hidden></div></div>'
)


def board(value: dict[str, Any] | None = None, **options: Any) -> gr.HTML:
    """A place for what `board_value` returns."""
    return gr.HTML(value, html_template=TEMPLATE, js_on_load=DRAW, head=script(), **options)


def board_value(
    figures: Sequence[DrawnFigure],
    runs: Sequence[Run],
    texts: Mapping[str, str] | None = None,
    note: str = "",
) -> dict[str, Any]:
    """Figures, and HTML about runs by their id. A figure of one run stands beside those of the others."""
    by_id = {run.id: run for run in runs}
    return {
        "note": note,
        "columns": len(runs),
        "figures": [{"name": each.name, "wide": each.run is None, "json": drawn(each.figure)} for each in figures],
        "texts": [
            {"title": by_id[key].method.describe(), "colour": by_id[key].colour, "html": text}
            for key, text in (texts or {}).items()
        ],
    }


def side_view(run: Run, state: str, said: str, error: str = "", part: float | None = None) -> str:
    """How far one run is, as HTML: its colour, its name and parameters, a sentence, and a bar while it works."""
    bar = "" if state != "working" else f'<progress class="bar" max="1" value="{part or 0:.3f}"></progress>'
    problem = f'<p class="problem" role="alert">{html.escape(error)}</p>' if error else ""
    return (
        f'<div class="side" data-state="{state}" style="--method:{run.colour}">'
        f"<b>{html.escape(run.method.describe())}</b><span>{html.escape(said)}</span>{bar}{problem}</div>"
    )
