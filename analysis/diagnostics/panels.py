"""The panels: what each one measures, what it draws, and what to look for. The page and the command line read this."""

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from longsight.errors import LongSightError

from ..drawing.curves import spread_layers
from ..drawing.drawn_figure import DrawnFigure
from ..runs import Run
from .attention_figure import difference_figure, map_figure, overview_cells, overview_figure
from .clusters import check_projection, project_steps
from .clusters_figure import clusters_figure, sinks_figure
from .distances_figure import distances_figure, mass_figure
from .entropy_figure import entropy_figure
from .key_probes import DistanceProbe, SinkProbe
from .logits_figure import logits_figure
from .map_probe import MapProbe, Range
from .nll_figure import coloured_text, nll_figure
from .observed import AttentionMap
from .probing import MakeProbe
from .query_probes import EntropyProbe, LogitProbe, MassProbe
from .reading import MOST_QUERIES, STARTING, Reading
from .stream_probes import HiddenProbe, NLLProbe

Records = tuple[Any, ...]
"""The records of one panel; each panel knows their types."""

MOST_SMOOTHING = 65_536
MOST_STARTING = 1024


@dataclass(frozen=True)
class PanelOptions:
    """What a visitor chooses. `layers` and `heads` None: all. Each panel reads what concerns it.

    `most` queries are measured at most; `queries` and `keys` are ranges of an attention map of `cells` cells a side;
    `smoothing` [tokens] of NLL curves; `projection` to `axes` dimensions, in which `starting` first tokens are marked.
    """

    layers: tuple[int, ...] | None = None
    heads: tuple[int, ...] | None = None
    most: int = MOST_QUERIES
    queries: Range | None = None
    keys: Range | None = None
    cells: int = 128
    smoothing: int = 64
    projection: str = "pca"
    axes: int = 2
    starting: int = STARTING
    mark: int | None = None

    def __post_init__(self) -> None:
        _check_number("Smoothing over", self.smoothing, 1, MOST_SMOOTHING)
        _check_number("A beginning of", self.starting, 1, MOST_STARTING)
        if self.mark is not None:
            _check_number("A mark after", self.mark, 0, 2**40)
        check_projection(self.projection, self.axes)

    @property
    def one_head(self) -> tuple[int, int] | None:
        """The layer and the head, where one of each was chosen."""
        if self.layers is None or self.heads is None or len(self.layers) != 1 or len(self.heads) != 1:
            return None
        return self.layers[0], self.heads[0]


def _check_number(what: str, given: int, low: int, high: int) -> None:
    if isinstance(given, bool) or not isinstance(given, int) or not low <= given <= high:
        raise LongSightError(f"{what} {given!r} tokens was asked for; {low:,} to {high:,} would work.")


DEFAULT = PanelOptions()


def _only(measured: Sequence[Records], names: Sequence[str], choice: PanelOptions) -> Generator[str, None, Records]:
    """The records of the one text that was read."""
    yield from ()
    return measured[0]


@dataclass(frozen=True)
class Panel:
    """One way of looking. `look` says what to look for; `paper` which figure it corresponds to.

    `probes` are made for a choice; `conclude` turns what they measured of each text into the records to draw and save,
    and yields what it is doing where that takes long; `names` are theirs. `draw` turns those of several runs into
    figures; those of one kind come one after the other.

    `measures`, `concludes` and `draws` name the fields of a `PanelOptions` that each of these steps reads.
    """

    key: str
    title: str
    look: str
    paper: str
    probes: Callable[[PanelOptions], Sequence[MakeProbe]]
    names: Callable[[PanelOptions], Sequence[str]]
    draw: Callable[[Sequence[Run], Sequence[Records], PanelOptions], Sequence[DrawnFigure]]
    conclude: Callable[[Sequence[Records], Sequence[str], PanelOptions], Generator[str, None, Records]] = _only
    measures: tuple[str, ...] = ()
    concludes: tuple[str, ...] = ()
    draws: tuple[str, ...] = ()
    texts: int = 1  # how many it can show at once
    words: Callable[[Records, PanelOptions], str] = lambda records, choice: (
        ""
    )  # HTML about one method, beside the figures

    @property
    def reads(self) -> tuple[str, ...]:
        """The fields of a `PanelOptions` that change anything here."""
        return self.measures + self.concludes + self.draws


def _first(records: Sequence[Records]) -> list[Any]:
    return [each[0] for each in records]


def _cluster_probes(choice: PanelOptions) -> Sequence[MakeProbe]:
    return partial(_hidden_at_spread_depths, choice=choice), partial(SinkProbe, layers=None)


def _hidden_at_spread_depths(reading: Reading, choice: PanelOptions) -> HiddenProbe:
    """Of the depths chosen, or of four evenly spread ones."""
    chosen = choice.layers or tuple(spread_layers(reading.layers + 1, most=4))
    return HiddenProbe(reading, depths=chosen)


def _conclude_clusters(
    measured: Sequence[Records], names: Sequence[str], choice: PanelOptions
) -> Generator[str, None, Records]:
    hidden = [records[0] for records in measured]
    clusters = yield from project_steps(hidden, names, choice.projection, choice.axes, choice.starting)
    return clusters, measured[0][1]


def _draw_clusters(runs: Sequence[Run], records: Sequence[Records], choice: PanelOptions) -> list[DrawnFigure]:
    both = list(zip(runs, records, strict=True))
    return [
        *(DrawnFigure("clusters", clusters_figure(clusters, choice.mark), run.id) for run, (clusters, _) in both),
        *(DrawnFigure("sinks", sinks_figure(run, sinks), run.id) for run, (_, sinks) in both),
    ]


def _attention_probes(choice: PanelOptions) -> Sequence[MakeProbe]:
    probes: list[MakeProbe] = [partial(_overview, choice=choice), partial(MassProbe, starting=choice.starting)]
    if choice.one_head is not None:
        probes.append(
            partial(
                MapProbe,
                layers=choice.layers,
                heads=choice.heads,
                queries=choice.queries,
                keys=choice.keys,
                cells=choice.cells,
            )
        )
    return probes


def _overview(reading: Reading, choice: PanelOptions) -> MapProbe:
    """The heads chosen, or all, of the layers chosen, or of six evenly spread ones, in small."""
    layers, heads = (choice.layers, choice.heads) if choice.one_head is None else (None, None)
    layers = layers or tuple(spread_layers(reading.layers))
    shown = len(layers) * (reading.heads if heads is None else len(heads))
    return MapProbe(reading, layers=layers, heads=heads, cells=overview_cells(shown))


def _attention_names(choice: PanelOptions) -> tuple[str, ...]:
    return ("overview", "mass") if choice.one_head is None else ("overview", "mass", "map")


def _draw_attention(runs: Sequence[Run], records: Sequence[Records], choice: PanelOptions) -> list[DrawnFigure]:
    both = list(zip(runs, records, strict=True))
    drawn = [DrawnFigure("overview", overview_figure(overview), run.id) for run, (overview, *_) in both]
    drawn.append(DrawnFigure("mass", mass_figure([mass for _, mass, *_ in records], choice.mark)))
    return drawn if choice.one_head is None else drawn + _draw_maps(runs, [large for _, _, large in records], choice)


def _draw_maps(runs: Sequence[Run], maps: Sequence[AttentionMap], choice: PanelOptions) -> list[DrawnFigure]:
    """One head of every run, and its difference to the first run's where both read the same tokens."""
    assert choice.one_head is not None
    layer, head = choice.one_head
    large = [
        DrawnFigure("map", map_figure(each, layer, head, choice.mark), run.id)
        for run, each in zip(runs, maps, strict=True)
    ]
    return large + [
        DrawnFigure("difference", difference_figure(each, maps[0], layer, head, choice.mark), run.id)
        for run, each in zip(runs[1:], maps[1:], strict=True)
        if (each.queries, each.keys) == (maps[0].queries, maps[0].keys)
    ]


PANELS = {
    panel.key: panel
    for panel in (
        Panel(
            key="logits",
            title="Logits",
            look="Look for curves that leave their level once they pass the dotted line, the trained length. Theorem "
            "1: a model that tells ever more distances apart must let its logits grow without bound.",
            paper="LM-Infinite, figure 1a",
            probes=lambda choice: [partial(LogitProbe, layers=choice.layers)],
            names=lambda choice: ("logits",),
            draw=lambda runs, records, choice: [
                DrawnFigure("logits", logits_figure(runs, _first(records), choice.mark, heads=choice.heads))
            ],
            measures=("layers",),
            draws=("heads", "mark"),
        ),
        Panel(
            key="entropy",
            title="Entropy",
            look="Look for curves that go on rising past the trained length: attention spreads over more tokens than "
            "it ever did in training. Proposition 1: with logits within ±B, entropy is at least ln n - 2B "
            "(dotted; 0 where that is negative and says nothing).",
            paper="LM-Infinite, figure 1b",
            probes=lambda choice: [partial(EntropyProbe, layers=choice.layers)],
            names=lambda choice: ("entropy",),
            draw=lambda runs, records, choice: [
                DrawnFigure("entropy", entropy_figure(runs, _first(records), choice.mark, heads=choice.heads))
            ],
            measures=("layers",),
            draws=("heads", "mark"),
        ),
        Panel(
            key="clusters",
            title="Clusters",
            look="Look for the large points, the first tokens of the text: if they lie apart from all others, they "
            "carry their absolute position in them, and a method that hides them takes away what the model "
            "relies on.",
            paper="LM-Infinite, figure 1c",
            probes=_cluster_probes,
            names=lambda choice: ("clusters", "sinks"),
            draw=_draw_clusters,
            conclude=_conclude_clusters,
            measures=("layers",),
            concludes=("projection", "axes", "starting"),
            draws=("mark",),
            texts=4,
        ),
        Panel(
            key="distances",
            title="Distances",
            look="Look for curves that leave the grey area: to the right, the model is shown distances that it never "
            "met in training; upwards, more tokens at one distance than it ever saw there.",
            paper="LM-Infinite, figure 2; SelfExtend, figure 2",
            probes=lambda choice: [partial(DistanceProbe, layers=choice.layers)],
            names=lambda choice: ("distances",),
            draw=lambda runs, records, choice: [DrawnFigure("distances", distances_figure(runs, _first(records)))],
            measures=("layers",),
        ),
        Panel(
            key="attention",
            title="Attention",
            look="Look for a bright first column, which is attention parked on the starting tokens, and for heads "
            "whose bright band along the diagonal dissolves past the trained length.",
            paper="StreamingLLM, figure 2; LM-Infinite, section 3.2",
            probes=_attention_probes,
            names=_attention_names,
            draw=_draw_attention,
            measures=("layers", "heads", "queries", "keys", "starting"),
            draws=("mark",),
        ),
        Panel(
            key="nll",
            title="NLL",
            look="Look for the place where a curve climbs: there the model stops understanding the text. A flat "
            "curve means fluent reading, not that the model still remembers the beginning.",
            paper="LM-Infinite, figures 3 and 5",
            probes=lambda choice: [NLLProbe],
            names=lambda choice: ("nll",),
            draw=lambda runs, records, choice: [
                DrawnFigure("nll", nll_figure(runs, _first(records), choice.smoothing, choice.mark))
            ],
            draws=("smoothing", "mark"),
            words=lambda records, choice: coloured_text(records[0], choice.mark),
        ),
    )
}
"""Every panel by its name, which is also its name on the command line."""
