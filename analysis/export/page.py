"""A page that stands alone: figures with the sentences that go with them, in one HTML file that needs no network."""

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files

import plotly.graph_objects as go
from plotly.offline import get_plotlyjs

STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 72rem; margin: 0 auto; padding: 1rem; }
body { background: #fff; color: #161b22; }
figure { margin: 0 0 2rem; }
.source, figcaption { color: #5d6676; font-size: 0.9rem; }
@media (prefers-color-scheme: dark) {
  body { background: #0e1217; color: #e6e9ee; }
  .source, figcaption { color: #a8b0bd; }
}
"""

CONFIG = {"displaylogo": False, "responsive": True, "showSendToCloud": False}
"""By itself plotly offers to send a figure, and the text in it, to its makers' servers."""

LINKED = (files(__package__) / "linked.js").read_text(encoding="utf-8")
"""Functions that mark a position in every figure of a page."""

SCRIPT = """
const plots = [...document.querySelectorAll('.js-plotly-plot')];
for (const plot of plots) {
  plot.on('plotly_click', (event) => {
    const position = longsightClicked(plot, event);
    if (position !== null) longsightMark(plots, position);
  });
}
for (const button of document.querySelectorAll('button[data-format]')) {
  const plot = button.closest('figure').querySelector('.js-plotly-plot');
  const { format, name } = button.dataset;
  const size = () => ({ width: plot.clientWidth, height: plot.clientHeight });
  button.onclick = () => Plotly.downloadImage(plot, { format, filename: name, ...size() });
}
"""
"""A click on a position marks it in every figure that has positions; two buttons save each figure."""


@dataclass(frozen=True)
class Section:
    """A heading, what to look for, where it comes from, figures by name, and further HTML."""

    title: str
    look: str
    source: str
    figures: Mapping[str, go.Figure]
    more: str = ""


def stand_alone(title: str, sections: Sequence[Section]) -> str:
    """The page as HTML. It carries its own plotly, so it can be opened from a disk without a network."""
    body = "\n".join(_section(section) for section in sections)
    return (
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>{html.escape(title)}</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<style>{STYLE}</style><script>{get_plotlyjs()}</script></head>\n"
        f"<body><h1>{html.escape(title)}</h1>\n{body}\n<script>{LINKED}{SCRIPT}</script></body></html>\n"
    )


def _section(section: Section) -> str:
    figures = "\n".join(_figure(name, figure) for name, figure in section.figures.items())
    return (
        f"<section><h2>{html.escape(section.title)}</h2><p>{html.escape(section.look)}</p>"
        f'<p class="source">{html.escape(section.source)}</p>\n{figures}\n{section.more}</section>'
    )


def _figure(name: str, figure: go.Figure) -> str:
    drawn = figure.to_html(full_html=False, include_plotlyjs=False, config=CONFIG)
    buttons = "".join(
        f'<button data-format="{form}" data-name="{html.escape(name)}">{form.upper()}</button> '
        for form in ("png", "svg")
    )
    return f"<figure>{drawn}<figcaption>{buttons}</figcaption></figure>"
