"""Where tokens lie in a model's hidden space, in the plane or in space (LM-Infinite, figure 1c); and its sinks."""

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from longsight.errors import LongSightError
from longsight.progress import finish

from ..drawing.curves import spread_layers, with_legend_above
from ..drawing.drawn_figure import DrawnFigure
from ..drawing.layout import INK, plain_layout
from ..drawing.palette import MARKERS
from ..export.records import Record, array, value
from ..runs import Run
from .base import Panel, Records
from .hidden_states import HiddenProbe, HiddenRecord
from .options import PanelOptions
from .probing import MakeProbe
from .projection import check_points, check_projection, pca, separations
from .reading import STARTING, Reading
from .sinks import SinkProbe, sinks_figure
from .umap_process import lay_out_steps

POSITIONS = ((0.0, "#7b3fa0"), (0.5, "#2a9d8f"), (1.0, "#d9c22b"))
MOST_DRAWN = 2048
"""Points of one depth and text that are drawn; the record keeps all."""

SIZES = {True: (4, 10), False: (2, 5)}
"""Points of ordinary and of starting tokens in the plane, and in space, where they hide each other."""

LONGEST_NAME = 24  # characters of a text's name in a legend


@dataclass(frozen=True, eq=False)
class ClusterRecord(Record):
    """Hidden states of one or several texts in a plane or in space, one view for each depth.

    `separation` says how far the starting tokens lie from the others, in the full hidden space: the distance between
    the two centres, divided by the root mean square distance of the other tokens to their centre. Above 1 the starting
    tokens lie farther out than an ordinary token does. `ordinary` is the same number for other runs of as many tokens
    (their median), for comparison: it is not 0, for any few tokens have a centre of their own.
    """

    model: str = value("name of the model")
    method: str = value("key of the method in METHODS")
    caption: str = value("the method and its parameters in one line")
    projection: str = value("how the plane was found: pca or umap")
    starting_tokens: int = value("how many first tokens of each text count as starting", "tokens")
    texts: tuple[str, ...] = value("names of the texts")
    depth: np.ndarray = array("depth", "after how many layers; 0 is the embedding", "layers")
    text: np.ndarray = array("point", "index of the point's text")
    position: np.ndarray = array("point", "position in the text", "tokens")
    token: np.ndarray = array("point", "text of the token")
    starting: np.ndarray = array("point", "whether it is a starting token")
    coordinates: np.ndarray = array("depth point axis", "where the projection puts the token")
    explained: np.ndarray = array("depth axis", "share of the variance along this axis; NaN for umap", "share")
    separation: np.ndarray = array("depth", "distance of the starting tokens, in spreads of the others")
    ordinary: np.ndarray = array("depth", "the same number for other runs of as many tokens, median")


def project(
    records: Sequence[HiddenRecord],
    names: Sequence[str] = (),
    projection: str = "pca",
    axes: int = 2,
    starting: int = STARTING,
) -> ClusterRecord:
    """`project_steps` run to its end."""
    return finish(project_steps(records, names, projection, axes, starting))


def project_steps(
    records: Sequence[HiddenRecord], names: Sequence[str], projection: str, axes: int, starting: int
) -> Generator[str, None, ClusterRecord]:
    """Put the hidden states of some texts, read by one model under one method, into one space of `axes` dimensions.

    `projection` is `pca`, or `umap` (McInnes et al. 2018, arXiv 1802.03426, with a fixed seed), which takes long and
    so yields what it is doing; closing ends it. Raises `LongSightError` on readings that do not belong together, on too
    many points, and on unknown projections.
    """
    check_projection(projection, axes)
    _check(records)
    states = np.concatenate([record.states for record in records], axis=1)  # (depth, point, channel)
    check_points(states)
    first = np.concatenate([record.position - record.unread < starting for record in records])
    views = []
    for place, points in enumerate(states.astype(np.float64)):
        if projection == "pca":
            views.append(pca(points, axes))
        else:
            which = f"depth {place + 1} of {len(states)}, {points.shape[0]:,} points"
            laid_out = yield from lay_out_steps(points, axes, which)
            views.append((laid_out, np.full(axes, np.nan)))  # its axes explain no share of anything
    apart = [separations([record.states[depth] for record in records], starting) for depth in range(len(states))]
    return ClusterRecord(
        model=records[0].model,
        method=records[0].method,
        caption=records[0].caption,
        projection=projection,
        starting_tokens=starting,
        texts=tuple(names) or tuple(f"text {number + 1}" for number in range(len(records))),
        depth=records[0].depth,
        text=np.repeat(np.arange(len(records)), [len(record.position) for record in records]),
        position=np.concatenate([record.position for record in records]),
        token=np.concatenate([record.token for record in records]),
        starting=first,
        coordinates=np.stack([view[0] for view in views]).astype(np.float32),
        explained=np.stack([view[1] for view in views]),
        separation=np.array([pair[0] for pair in apart]),
        ordinary=np.array([pair[1] for pair in apart]),
    )


def _check(records: Sequence[HiddenRecord]) -> None:
    if not records:
        raise LongSightError("No hidden states were given; read at least one text.")
    kinds = {(record.model, record.caption, tuple(record.depth.tolist())) for record in records}
    if len(kinds) > 1:
        listed = "; ".join(f"{model} with {caption}" for model, caption, _ in sorted(kinds))
        raise LongSightError(
            f"Hidden states of different readings were given ({listed}); only equal ones share a space."
        )


def clusters_figure(record: ClusterRecord, mark: int | None = None, columns: int = 1) -> go.Figure:
    """One panel per depth. Colour: position. Large with a rim: starting tokens. Shape: which text.

    A ring stands around the token nearest to the marked position that is drawn.
    """
    flat = record.coordinates.shape[-1] == 2
    columns = min(columns, len(record.depth))
    rows = -(-len(record.depth) // columns)
    figure = make_subplots(
        rows, columns, subplot_titles=[_name(record, depth) for depth in range(len(record.depth))],
        specs=[[{"type": "xy" if flat else "scene"}] * columns] * rows, horizontal_spacing=0.06,
        vertical_spacing=min(0.1, 0.3 / rows),
    )  # fmt: skip
    layout = plain_layout(f"{record.caption}: hidden states by {record.projection.upper()}")
    figure.update_layout(layout)
    axis = layout.xaxis.to_plotly_json() | {"showticklabels": False}
    figure.update_xaxes(axis)
    figure.update_yaxes(axis)
    figure.update_xaxes(title={"text": "component 1", "standoff": 4, "font": {"size": 11}}, row=rows)
    figure.update_yaxes(title={"text": "component 2", "standoff": 4, "font": {"size": 11}}, col=1)
    figure.update_scenes(
        {f"{name}axis": {"showbackground": False, "showticklabels": False, "color": INK} for name in "xyz"}
    )
    for depth in range(len(record.depth)):
        for text in range(len(record.texts)):
            _add_text(figure, record, depth, text, {"row": depth // columns + 1, "col": depth % columns + 1}, flat)
        if mark is not None:
            _add_ring(figure, record, depth, mark, {"row": depth // columns + 1, "col": depth % columns + 1}, flat)
    figure.update_annotations(font={"size": 12, "color": INK})
    bar = {
        "title": {"text": "position", "side": "bottom", "font": {"size": 12}}, "outlinewidth": 0, "thickness": 10,
        "orientation": "h", "y": 0, "yref": "container", "yanchor": "bottom",
    }  # fmt: skip
    room = 64 + 28 * 2 * len(record.texts)  # in a narrow column every name has a line of its own
    return with_legend_above(figure, room + 20 + (330 if columns > 1 else 270) * rows, room).update_layout(
        coloraxis={"colorscale": list(POSITIONS), "cmin": 0, "cmax": int(record.position.max()), "colorbar": bar},
        meta={"x": "component"},
        margin_b=80,
    )


def _name(record: ClusterRecord, depth: int) -> str:
    after = record.depth[depth]
    name = "embedding" if after == 0 else f"after layer {after - 1}"
    if np.isfinite(record.explained[depth]).all():
        name += " · " + " + ".join(f"{share:.0%}" for share in record.explained[depth]) + " of variance"
    return f"{name}<br>separation {record.separation[depth]:.1f} (others {record.ordinary[depth]:.1f})"


def _add_text(figure: go.Figure, record: ClusterRecord, depth: int, text: int, at: dict[str, int], flat: bool) -> None:
    for starting in (False, True):
        chosen = np.flatnonzero((record.text == text) & (record.starting == starting))
        chosen = chosen[:: -(-len(chosen) // MOST_DRAWN) or 1]
        marker: dict[str, Any] = {
            "color": record.position[chosen], "coloraxis": "coloraxis", "size": SIZES[flat][starting],
            "symbol": MARKERS[text % 3], "line": {"width": (0, 2)[starting], "color": INK},
            "opacity": (0.6, 1)[starting],
        }  # fmt: skip
        coordinates = dict(zip("xyz", record.coordinates[depth, chosen].T, strict=False))
        kind = go.Scatter if flat else go.Scatter3d
        trace = kind(
            **coordinates, mode="markers", marker=marker, showlegend=depth == 0,
            name=_trace_name(record, text, starting), legendgroup=f"{text} {starting}",
            text=[f"{token!r}, position {at_:,}" for token, at_ in zip(record.token[chosen].tolist(),
                  record.position[chosen].tolist(), strict=True)],
            customdata=record.position[chosen], hovertemplate="%{text}<extra></extra>",
        )  # fmt: skip
        figure.add_trace(trace, **at)


def _trace_name(record: ClusterRecord, text: int, starting: bool) -> str:
    which = "first tokens" if starting else "others"
    if len(record.texts) == 1:
        return which
    name = record.texts[text]
    return f"{name if len(name) <= LONGEST_NAME else name[: LONGEST_NAME - 1] + '…'}, {which}"


def _add_ring(figure: go.Figure, record: ClusterRecord, depth: int, mark: int, at: dict[str, int], flat: bool) -> None:
    place = int(np.abs(record.position - mark).argmin())
    kind = go.Scatter if flat else go.Scatter3d
    ring = {"symbol": "circle-open", "size": 18, "color": INK, "line": {"width": 3, "color": INK}}
    coordinates = dict(zip("xyz", record.coordinates[depth, place][:, None], strict=False))
    name = f"position {record.position[place]:,}: {str(record.token[place])!r}"
    trace = kind(**coordinates, mode="markers", marker=ring, name=name, hoverinfo="skip", showlegend=depth == 0)
    figure.add_trace(trace, **at)


def _cluster_probes(options: PanelOptions) -> Sequence[MakeProbe]:
    return partial(_hidden_at_spread_depths, options=options), partial(SinkProbe, layers=None)


def _hidden_at_spread_depths(reading: Reading, options: PanelOptions) -> HiddenProbe:
    """Of the depths chosen, or of four evenly spread ones."""
    chosen = options.layers or tuple(spread_layers(reading.layers + 1, most=4))
    return HiddenProbe(reading, depths=chosen)


def _conclude_clusters(
    measured: Sequence[Records], names: Sequence[str], options: PanelOptions
) -> Generator[str, None, Records]:
    hidden = [records[0] for records in measured]
    clusters = yield from project_steps(hidden, names, options.projection, options.axes, options.starting)
    return clusters, measured[0][1]


def _draw_clusters(runs: Sequence[Run], records: Sequence[Records], options: PanelOptions) -> list[DrawnFigure]:
    both = list(zip(runs, records, strict=True))
    return [
        *(DrawnFigure("clusters", clusters_figure(clusters, options.mark), run.id) for run, (clusters, _) in both),
        *(DrawnFigure("sinks", sinks_figure(run, sinks), run.id) for run, (_, sinks) in both),
    ]


CLUSTERS = Panel(
    key="clusters",
    title="Clusters",
    look="Look for the large points, the first tokens of the text: if they lie apart from all others, they "
    "carry their absolute position in them, and a method that hides them takes away what the model "
    "relies on.",
    paper="LM-Infinite, figure 1c",
    probes=_cluster_probes,
    names=lambda options: ("clusters", "sinks"),
    draw=_draw_clusters,
    conclude=_conclude_clusters,
    measures=("layers", "most_queries"),
    concludes=("projection", "axes", "starting"),
    draws=("mark",),
    texts=4,
)
