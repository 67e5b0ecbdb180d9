"""Distance maps: for each chosen method, which keys a query sees and how far away the model is told that they are."""

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr

from analysis.diagnostics.distance_map import groups_of
from analysis.drawing import palette
from analysis.export.files import file_of
from analysis.runs import Run, make_runs
from app.components.changes import when_changed
from app.components.checked_blocks import whole
from app.components.downloads import build_downloads, wire_downloads
from app.components.errors import for_visitor
from app.components.permalink import LinkedControl
from app.components.plot import drawn, plot
from app.components.run_controls import Updates
from app.panels.shared_controls import SharedControls
from app.session import distance_maps, document_loading, model_catalogue, progress_view, side_by_side
from app.session.distance_maps import LENGTH, MOST_TOKENS, MethodMaps
from app.session.side_by_side import MOST_METHODS
from longsight.errors import LongSightError
from longsight.models.model import Model

SMALL_DEFAULT, SMALL_TRAINED_DEFAULT = 16, 8
INTRODUCTION = """\
A language model tells two tokens apart in position only by their distance, and it has learned what distances mean \
only up to the length it was trained on. A method changes **which** earlier tokens each token sees, and **how far \
away** the model is told that they are. Row: the token that looks. Column: the token it looks at. Blank: not seen."""


@dataclass(frozen=True)
class MapColumn:
    """Everything about one run, from top to bottom."""

    column: gr.Column
    title: gr.HTML
    small: gr.HTML
    small_caption: gr.HTML
    true: gr.HTML
    true_caption: gr.HTML

    @property
    def parts(self) -> list[Any]:
        return [self.column, self.title, self.small, self.small_caption, self.true, self.true_caption]

    def drawn(self, run: Run, both: MethodMaps) -> Updates:
        """Both maps of a run, with what they show."""
        return {
            self.column: gr.Column(visible=True),
            self.title: title(run),
            self.small: drawn(distance_maps.map_figure(both.small)),
            self.small_caption: f'<p class="caption">{html.escape(both.said_of_small)}</p>',
            self.true: drawn(distance_maps.map_figure(both.true)),
            self.true_caption: f'<p class="caption"><b>{both.true.n:,} tokens, {html.escape(both.true.caption)}.</b> '
            f'{distance_maps.what_to_see(both.true)}</p><p class="caption pooling">{both.true.pooling}</p>',
        }


@dataclass(frozen=True)
class MapsPanel:
    """The controls and the places of the tab."""

    shared: SharedControls
    small: gr.Slider
    trained: gr.Slider
    tokens: gr.Number
    group: gr.Number
    acting: gr.HTML
    columns: tuple[MapColumn, ...]

    @property
    def inputs(self) -> list[Any]:
        shared = self.shared
        sizes = [self.small, self.trained, self.tokens, self.group]
        return [shared.model, shared.session, *sizes, shared.context.length, shared.methods.draft]

    @property
    def shown(self) -> list[Any]:
        """What `show` updates."""
        return [self.acting, self.group, *(part for column in self.columns for part in column.parts)]

    def maps(self, values: Mapping[Any, Any]) -> list[tuple[Run, MethodMaps]]:
        """The maps of each run, from the values of `inputs` by control. Raises `LongSightError` on what cannot be."""
        shared = self.shared
        model, length = model_catalogue.model(values[shared.model]), values[shared.context.length]
        tokens = distance_maps.check(LENGTH, values[self.tokens] or length or model.train_length, (1, MOST_TOKENS))
        draft = str(values[shared.methods.draft] or "")
        runs = make_runs(side_by_side.read(model, draft, whole(length) or model.train_length))
        small, trained = values[self.small], values[self.trained]
        group = distance_maps.check_group(values[self.group] or 0)
        return [
            (run, distance_maps.method_maps(run.method, tokens, model.train_length, small, trained, group))
            for run in runs
        ]

    def read(self, values: Sequence[Any]) -> dict[Any, Any]:
        """The values of `inputs` by control."""
        return dict(zip(self.inputs, values, strict=True))

    @for_visitor
    def show(self, *values: Any) -> Updates:
        """A column for each run, the others hidden; where something cannot be, that, above the maps as they were.
        Nothing while a page opens."""
        given = self.read(values)
        if not given[self.shared.methods.draft]:
            return gr.skip()
        try:
            both = self.maps(given)
        except LongSightError as error:
            return {self.acting: progress_view.problem(error)}
        parted = any(groups_of(run.method) > 1 for run, _ in both)
        updates: Updates = {
            self.acting: self.about(given),
            self.group: gr.Number(visible=parted),
        }
        updates |= {column.column: gr.Column(visible=False) for column in self.columns[len(both) :]}
        for column, (run, maps_of) in zip(self.columns[: len(both)], both, strict=True):
            updates |= column.drawn(run, maps_of)
        return updates

    def about(self, given: Mapping[Any, Any]) -> str:
        """What the maps are of, and what the methods are fitted to, as HTML."""
        shared, session = self.shared, given[self.shared.session]
        model, length = model_catalogue.model(given[shared.model]), whole(given[shared.context.length])
        said = document_loading.said_of_target(session, model)
        drawn = f"Maps are of {whole(given[self.tokens]):,} tokens." if given[self.tokens] else f"Maps are of {said}."
        fitted = side_by_side.fitted(model, str(given[shared.methods.draft]), length or model.train_length)
        fitted = f" Methods are {html.escape(fitted)}." if fitted else ""
        return f'<p class="caption">{drawn}{fitted}</p>{acting(model)}'

    def files(self, kind: str, *values: Any) -> tuple[str, dict[str, bytes]]:
        """The true maps as files of a format, and a name for all of them."""
        return "longsight-maps", {
            f"map-{run.id}.{kind}": file_of(both.true, kind) for run, both in self.maps(self.read(values))
        }


def build_maps(shared: SharedControls, tab: gr.Tab) -> list[LinkedControl]:
    panel = build_panel(shared)
    small, trained, tokens = panel.small, panel.trained, panel.tokens
    sizes = [event for number in (tokens, panel.group) for event in (number.submit, number.blur)]
    text = [shared.methods.line.change, shared.context.length.change, shared.model.change]
    changes = [small.release, trained.release, *sizes, *text]
    when_changed(changes, panel.show, panel.inputs, panel.shown, tab)
    return [
        LinkedControl("small", small, int),
        LinkedControl("trained", trained, int),
        LinkedControl("tokens", tokens, lambda text: distance_maps.check(LENGTH, int(text), (0, MOST_TOKENS))),
        LinkedControl("group", panel.group, lambda text: distance_maps.check_group(int(text))),
    ]


def build_panel(shared: SharedControls) -> MapsPanel:
    """The sizes, the legend, and a column for each run."""
    gr.Markdown(INTRODUCTION, elem_classes="lead")
    with gr.Row(elem_classes="tight", elem_id="map-controls"):
        small = gr.Slider(*distance_maps.SMALL, SMALL_DEFAULT, step=1, label="Small text [tokens]", elem_id="small")
        trained = gr.Slider(
            *distance_maps.SMALL_TRAINED,
            SMALL_TRAINED_DEFAULT,
            step=1,
            label="as if trained on [tokens]",
            elem_id="small-trained",
        )
        tokens = gr.Number(0, label="True text [tokens]", info="0: as long as the document", elem_id="map-tokens")
        group = gr.Number(
            0, label="Group of frequencies, or heads", visible=False, elem_id="map-group",
            info="1: the fastest, or full heads; 0: the slowest, or streaming ones.",
        )  # fmt: skip
    gr.HTML(legend())
    acting_on = gr.HTML()
    with gr.Row(elem_id="maps", equal_height=False):
        columns = tuple(_build_column(index) for index in range(MOST_METHODS))
    panel = MapsPanel(shared, small, trained, tokens, group, acting_on, columns)
    wire_downloads(build_downloads("map", "The true maps, with names and units:"), panel.files, panel.inputs)
    return panel


def _build_column(index: int) -> MapColumn:
    with gr.Column(visible=False, min_width=260, elem_id=f"map-{index}", elem_classes="map") as column:
        title = gr.HTML()
        small = plot("Distance map of a small text", elem_id=f"map-{index}-small", elem_classes="small-map")
        small_caption = gr.HTML()
        true = plot("Distance map of the true text", elem_id=f"map-{index}-true")
        true_caption = gr.HTML()
    return MapColumn(column, title, small, small_caption, true, true_caption)


def title(run: Run) -> str:
    """The head of a column: the run in its colour, and what its method does, as HTML."""
    return (
        f'<div class="method-head" style="--method:{run.colour}"><b>{html.escape(run.label)}</b>'
        f"<span>sees: {run.method.sees}</span><span>is told: {run.method.tells}</span></div>"
    )


def acting(model: Model) -> str:
    """Which of the model's layers these maps are true of, where that is not all of them."""
    return (
        f'<p class="caption">Maps are of the layers that a method acts on. {model.acting}</p>' if model.acting else ""
    )


def legend() -> str:
    """The two ramps that every map shares."""
    seen, unseen = palette.SEEN, palette.UNSEEN
    return (
        '<div class="legend"><span>effective distance</span><span>0</span>'
        f'<i style="background:linear-gradient(90deg,{seen[0]},{seen[1]})"></i><b>trained length</b>'
        f'<i style="background:linear-gradient(90deg,{unseen[0]},{unseen[1]})"></i>'
        "<span>twice that, or more</span></div>"
    )
