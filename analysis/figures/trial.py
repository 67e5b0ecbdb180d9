"""One pass key trial looked into: the prompt around its key, and which heads looked at the key when it was answered."""

import html
from itertools import groupby

import numpy as np
import plotly.graph_objects as go

from analysis.figures.curves import short
from analysis.figures.layout import UNUSED, plain_layout
from analysis.figures.palette import SHARE
from analysis.tasks.tracing import TrialRecord

AROUND = 60
"""Tokens shown on either side of the key's statement."""
ENDS = 40
"""Tokens shown of the prompt's beginning and of its end."""
NAMED_CELLS = 16
"""Up to this many layers and heads a cell has room for its number."""


def trial_figure(record: TrialRecord) -> go.Figure:
    """Attention on the key's digits at the answering step: layers downwards, heads to the right."""
    weight, fetched = record.attention[record.answering], record.fetched[record.answering]
    heads = np.arange(weight.shape[1])
    named = max(weight.shape) <= NAMED_CELLS
    hover = "layer %{y}, head %{x}<br>%{z:.1%} of its attention is on the key's digits"
    heatmap = go.Heatmap(
        x=heads, y=record.layer, z=short(weight), customdata=short(fetched), zmin=0, zmax=1,
        colorscale=list(zip((0, 0.5, 1), SHARE, strict=True)), xgap=2, ygap=2,
        texttemplate="%{z:.0%}" if named else "",
        hovertemplate=hover + (", %{customdata:.1%} fetched" if fetched.any() else "") + "<extra></extra>",
        colorbar={"title": "attention", "tickformat": ".0%", "outlinewidth": 0, "thickness": 12},
    )  # fmt: skip
    figure = go.Figure(heatmap, plain_layout(""))
    figure.update_xaxes(title_text="head", showgrid=False, zeroline=False, tickvals=_ticks(heads))
    figure.update_yaxes(
        title_text="layer", showgrid=False, zeroline=False, autorange="reversed", tickvals=_ticks(record.layer)
    )
    height = 110 + max(36 * len(record.layer), 120) if named else 480
    return figure.update_layout(
        title=None,
        dragmode=False,
        modebar={"remove": UNUSED},
        height=height,
        margin={"l": 56, "r": 12, "t": 12, "b": 48},
    )


def _ticks(numbers: np.ndarray) -> np.ndarray:
    return numbers[:: max(len(numbers) // NAMED_CELLS, 1)]


def marked_prompt(record: TrialRecord) -> str:
    """HTML: the prompt's beginning, the surroundings of the key, and its end, all text escaped.

    The key's digits are marked and the statement that holds them underlined. What the answering query neither sees nor
    can fetch is faint, and what was never read is struck out.
    """
    stated = np.flatnonzero(record.statement)
    shown = np.zeros(record.n, dtype=bool)
    shown[:ENDS] = shown[-ENDS:] = True
    shown[max(stated[0] - AROUND, 0) : stated[-1] + 1 + AROUND] = True
    runs, start = [], 0
    for visible, group in groupby(shown.tolist()):
        end = start + len(list(group))
        runs.append(_text(record, start, end) if visible else f"<i>… {end - start:,} tokens …</i>")
        start = end
    return f'<div class="prompt-text" dir="auto">{" ".join(runs)}</div>'


def _text(record: TrialRecord, start: int, end: int) -> str:
    """Tokens `start` to `end`, one element for each run of tokens of one kind."""
    parts = []
    for kind, group in groupby(range(start, end), lambda place: _kind(record, place)):
        text = html.escape("".join(record.token[list(group)].tolist()))
        tag = "mark" if "key" in kind else "span"
        parts.append(f'<{tag} class="{kind}">{text}</{tag}>' if kind else text)
    return "".join(parts)


def _kind(record: TrialRecord, place: int) -> str:
    names = {
        "key": record.key,
        "statement": record.statement,
        "unseen": ~(record.visible | record.fetchable),
        "unread": ~record.read,
    }
    return " ".join(name for name, marked in names.items() if marked[place])
