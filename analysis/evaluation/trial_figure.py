"""One pass key trial looked into: the prompt with its key, and attention on the key by layer and head."""

import html

import numpy as np
import plotly.graph_objects as go

from ..drawing.layout import plain_layout
from ..drawing.palette import SURPRISE, WEIGHT
from .tracing import TrialRecord

AROUND = 60
"""Tokens shown on both sides of the key, and of the beginning and the end."""


def trial_figure(record: TrialRecord) -> go.Figure:
    """Attention on the key's digits by layer and head, at the step that brings forth the answer's first digit."""
    attention, fetched = record.attention[record.answering], record.fetched[record.answering]
    said = str(record.said[record.answering])
    figure = go.Figure(layout=plain_layout(f"attention on the key when {said!r} was written"))
    figure.add_heatmap(
        z=attention, x=np.arange(attention.shape[1]), y=record.layer, customdata=fetched, zmin=0, zmax=1,
        colorscale=[[place / (len(WEIGHT) - 1), ink] for place, ink in enumerate(WEIGHT)], xgap=1, ygap=1,
        colorbar={"title": "share", "tickformat": ".0%"},
        hovertemplate="layer %{y}, head %{x}: %{z:.1%} of its attention, %{customdata:.1%} fetched<extra></extra>",
    )  # fmt: skip
    figure.update_xaxes(title_text="head", dtick=1)
    figure.update_yaxes(title_text="layer", dtick=1, autorange="reversed")
    return figure.update_layout(height=130 + 36 * max(len(record.layer), 4))


def caption(record: TrialRecord) -> str:
    """What the figure shows: of which query, as a sentence."""
    said = str(record.said[record.answering])
    digit = any(letter.isdigit() for letter in said)
    which = "the answer's first digit" if digit else f"the first token of an answer without digits, {said!r},"
    return f"By layer and head, the part of its attention that the query that writes {which} gives to the key's digits."


def marked_prompt(record: TrialRecord) -> str:
    """HTML: the prompt's beginning, the surroundings of the key, and its end. The key is marked; what the answering
    query neither sees nor can fetch is pale, and what was never read is struck out."""
    n, key = record.n, np.flatnonzero(record.statement)
    wanted = [(0, AROUND), (int(key[0]) - AROUND, int(key[-1]) + 1 + AROUND), (n - AROUND, n)]
    shown = sorted({place for first, last in wanted for place in range(max(first, 0), min(last, n))})
    pieces, before = [], -1
    for place in shown:
        if place > before + 1:
            pieces.append(f'<span class="left-out"> … {place - before - 1:,} tokens … </span>')
        pieces.append(_token(record, place))
        before = place
    return f'<div class="trial-prompt" style="white-space:pre-wrap;line-height:1.7">{"".join(pieces)}</div>'


def _token(record: TrialRecord, place: int) -> str:
    seen = record.visible[place] or record.fetchable[place]
    style = "" if seen else "opacity:0.45;" if record.read[place] else "opacity:0.45;text-decoration:line-through;"
    if record.statement[place]:
        strength = 0.7 if record.key[place] else 0.25
        style += f"background:rgba({SURPRISE}, {strength});"
    return f'<span style="{style}" title="position {place:,}">{html.escape(str(record.token[place]))}</span>'
