"""Where attention goes: maps of every head in small, one head large, and shares along the text (StreamingLLM, figure 2;
LM-Infinite, section 3.2)."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import plotly.graph_objects as go
import torch

from ..drawing.curves import mark_trained, run_edges, short, small_multiples, spread_layers, thinned
from ..drawing.drawn_figure import DrawnFigure
from ..drawing.palette import PART_COLOURS
from ..export.records import array, value
from ..runs import Run
from .attention_block import OWN_POSITION, AttentionWeights
from .attention_lines import can_be_drawn, lines_figure
from .attention_map import AttentionMap, MapProbe, difference_figure, map_figure, overview_cells, overview_figure
from .base import Panel, Records
from .observed import AttentionObserved
from .options import PanelOptions
from .probing import MakeProbe, QueryProbe
from .reading import STARTING, Reading

PARTS = {"starting": "starting", "window": "recent", "middle": "middle", "fetched": "fetched"}
"""Where attention goes: to the first tokens, to other recent ones, to the rest, to keys fetched by content; and which
field of a `MassRecord` holds it."""


@dataclass(frozen=True, eq=False)
class MassRecord(AttentionObserved):
    """Where attention goes, in shares that sum to 1, and how far away the model is told that it is."""

    starting_tokens: int = value("how many first tokens of what is read count as starting", "tokens")
    window: int = value("tokens at a true distance below this count as window", "tokens")
    starting: np.ndarray = array("layer head query", "attention on starting tokens", "share")
    recent: np.ndarray = array("layer head query", "attention on window tokens that are no starting ones", "share")
    middle: np.ndarray = array("layer head query", "attention on all other tokens that the rule shows", "share")
    fetched: np.ndarray = array("layer head query", "attention on keys fetched by content", "share")
    distance: np.ndarray = array("layer head query", "mean effective distance attended to", "tokens")


class MassProbe(QueryProbe):
    """Where attention goes, and the mean effective distance that it goes to.

    Starting tokens are the first `starting` that the method reads; the window is every later token less than `window`
    (default: the trained length) away. Both are the same for all methods, so that they can be compared.
    """

    def __init__(
        self,
        reading: Reading,
        layers: tuple[int, ...] | None = None,
        starting: int = STARTING,
        window: int | None = None,
    ) -> None:
        super().__init__(reading, layers)
        self.starting = starting
        self.window = reading.model.train_length if window is None else window

    def see(self, view: AttentionWeights) -> None:
        super().see(view)
        first = ((view.j < self.starting) & (view.j != OWN_POSITION)).expand(len(view.i), -1)
        near = (view.i[:, None] - view.j < self.window) & ~first & (view.j != OWN_POSITION)
        own = (view.j == OWN_POSITION).expand(len(view.i), -1)
        features = torch.stack((*(x.to(view.distance) for x in (first, near, own)), view.distance), dim=1)
        found = view.expected(features.to(view.logits))
        for name, values in zip(("starting", "recent", "fetched", "distance"), found.unbind(-1), strict=True):
            self.keep(name, view, values)

    def record(self) -> MassRecord:
        starting, recent, fetched = (self.kept(name) for name in ("starting", "recent", "fetched"))
        return MassRecord(
            **self.common(),
            starting_tokens=self.starting,
            window=self.window,
            starting=starting,
            recent=recent,
            middle=np.clip(1 - starting - recent - fetched, 0, 1),
            fetched=fetched,
            distance=self.kept("distance"),
        )


def mass_figure(records: Sequence[MassRecord], mark: int | None = None) -> go.Figure:
    """Where attention goes along the text, mean over layers and heads, stacked to 1: one panel per record."""
    figure = small_multiples("where attention goes, mean over heads", [r.caption for r in records], 1)
    for panel, record in enumerate(records):
        places = run_edges(len(record.position))
        for part, field in PARTS.items():
            figure.add_scatter(
                x=record.position[places], y=short(thinned(getattr(record, field).mean((0, 1)), places)),
                row=panel + 1, col=1, mode="lines", stackgroup=str(panel), name=part, legendgroup=part,
                showlegend=panel == 0, line={"width": 0.5, "color": PART_COLOURS[part]}, hovertemplate="%{y:.1%}",
            )  # fmt: skip
    figure.update_yaxes(range=[0, 1], tickformat=".0%", title_text="attention")
    figure.update_xaxes(title_text="position [tokens]", row=len(records))
    mark_trained(figure, records[0].train_length, mark)
    return figure.update_layout(meta={"x": "position"})


def _attention_probes(options: PanelOptions) -> Sequence[MakeProbe]:
    probes: list[MakeProbe] = [partial(_overview, options=options), partial(MassProbe, starting=options.starting)]
    if options.one_head is not None:
        probes.append(
            partial(
                MapProbe,
                layers=options.layers,
                heads=options.heads,
                queries=options.queries,
                keys=options.keys,
                cells=options.cells,
            )
        )
    return probes


def _overview(reading: Reading, options: PanelOptions) -> MapProbe:
    """The heads chosen, or all, of the layers chosen, or of six evenly spread ones, in small."""
    layers, heads = (options.layers, options.heads) if options.one_head is None else (None, None)
    layers = layers or tuple(reading.attending[n] for n in spread_layers(len(reading.attending)))
    shown = len(layers) * (reading.heads if heads is None else len(heads))
    return MapProbe(reading, layers=layers, heads=heads, cells=overview_cells(shown))


def _attention_names(options: PanelOptions) -> tuple[str, ...]:
    return ("overview", "mass") if options.one_head is None else ("overview", "mass", "map")


def _draw_attention(runs: Sequence[Run], records: Sequence[Records], options: PanelOptions) -> list[DrawnFigure]:
    both = list(zip(runs, records, strict=True))
    drawn = [DrawnFigure("overview", overview_figure(overview), run.id) for run, (overview, *_) in both]
    if options.enlarged is not None:
        drawn += [
            DrawnFigure("enlarged", map_figure(overview, *options.enlarged, options.mark), run.id)
            for run, (overview, *_) in both
        ]
    drawn.append(DrawnFigure("mass", mass_figure([mass for _, mass, *_ in records], options.mark)))
    return drawn if options.one_head is None else drawn + _draw_maps(runs, [large for _, _, large in records], options)


def _draw_maps(runs: Sequence[Run], maps: Sequence[AttentionMap], options: PanelOptions) -> list[DrawnFigure]:
    """One head of every run, in a short stretch token by token, too, and its difference to the first run's where both
    read the same tokens."""
    assert options.one_head is not None
    layer, head = options.one_head
    large = [
        DrawnFigure("map", map_figure(each, layer, head, options.mark), run.id)
        for run, each in zip(runs, maps, strict=True)
    ]
    both = zip(runs, maps, strict=True)
    large += [DrawnFigure("lines", lines_figure(each, layer, head), run.id) for run, each in both if can_be_drawn(each)]
    return large + [
        DrawnFigure("difference", difference_figure(each, maps[0], layer, head, options.mark), run.id)
        for run, each in zip(runs[1:], maps[1:], strict=True)
        if (each.queries, each.keys) == (maps[0].queries, maps[0].keys)
    ]


ATTENTION = Panel(
    key="attention",
    title="Attention",
    look="Look for a bright first column, which is attention parked on the starting tokens, and for heads "
    "whose bright band along the diagonal dissolves past the trained length.",
    paper="StreamingLLM, figure 2; LM-Infinite, section 3.2",
    probes=_attention_probes,
    names=_attention_names,
    draw=_draw_attention,
    measures=("layers", "heads", "most_queries", "queries", "keys", "cells", "starting"),
    draws=("enlarged", "mark"),
)
