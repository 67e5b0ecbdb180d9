"""Plotly figures on the page: the plotly that is installed, the page's colours, clicks that reach Python.

`gr.Plot` has no click, ignores dark mode and loses the zoom on every update; hence this way of using `gr.HTML`. (A
subclass of it would have Gradio write a stub file beside this one whenever it is imported.)
"""

import html
from importlib.resources import files
from pathlib import Path
from typing import Any

import gradio as gr
import plotly
import plotly.graph_objects as go

PLOTLY_JS = Path(str(files(plotly))) / "package_data" / "plotly.min.js"
THEMED, DRAW = ((files(__package__) / name).read_text(encoding="utf-8") for name in ("themed.js", "plot.js"))
TEMPLATE = '<figure class="plot" aria-label="{label}"><div class="plot-area"></div></figure>'
"""No image to a screen reader: plotly's toolbar has buttons, and a point may be clicked."""


def plot(label: str, **options: Any) -> gr.HTML:
    """A place for a figure: give it `drawn(figure)` as value.

    A click on a point triggers its `pick` with `x`, `y`, `curve` and `text`.
    """
    template = TEMPLATE.format(label=html.escape(label))
    return gr.HTML(label=label, html_template=template, js_on_load=THEMED + DRAW, head=script(), **options)


def script() -> str:
    """What loads plotly: before any drawing, and once."""
    return f'<script src="gradio_api/file={PLOTLY_JS}"></script>'


def drawn(figure: go.Figure) -> str:
    """The figure as JSON; arrays travel as typed binary."""
    return figure.to_json()
