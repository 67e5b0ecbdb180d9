"""Distance maps: for each chosen method, which keys a query sees and how far away the model is told that they are."""

from dataclasses import dataclass, fields
from typing import Any

import gradio as gr

from analysis.drawing import palette
from analysis.export.files import file_of
from app.components.changes import when_changed
from app.components.downloads import build_downloads, wire_downloads
from app.components.errors import for_visitor
from app.components.permalink import LinkedControl
from app.components.plot import drawn, plot
from app.panels import method_controls
from app.panels.shell import Shell
from app.session import distance_maps, model_catalogue
from app.session.side_by_side import MOST_METHODS
from longsight.methods import Method

TAB = "maps"
SMALL_DEFAULT, SMALL_TRAINED_DEFAULT = 16, 8
INTRODUCTION = """\
A language model tells two tokens apart in position only by their distance, and it has learned what distances mean \
only up to the length it was trained on. A method changes **which** earlier tokens each token sees, and **how far \
away** the model is told that they are. Row: the token that looks. Column: the token it looks at. Blank: not seen."""


@dataclass(frozen=True)
class MapColumn:
    """Everything about one method, from top to bottom."""

    column: gr.Column
    title: gr.HTML
    small: gr.HTML
    small_caption: gr.HTML
    true: gr.HTML
    true_caption: gr.HTML

    @property
    def parts(self) -> list[Any]:
        return [self.column, self.title, self.small, self.small_caption, self.true, self.true_caption]


PARTS = len(fields(MapColumn))
NOTHING = [gr.skip()] * PARTS * MOST_METHODS


def build_maps(shell: Shell, tab: gr.Tab) -> list[LinkedControl]:
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
        tokens = gr.Number(
            0, label="True text [tokens]", precision=0, info="0: as long as the document", elem_id="map-tokens"
        )
    gr.HTML(legend())
    with gr.Row(elem_id="maps", equal_height=False):
        columns = [_build_column(index) for index in range(MOST_METHODS)]
    downloads = build_downloads("map", "The true maps, with names and units:")
    inputs = [shell.model, small, trained, tokens, shell.context.length, *shell.methods.inputs]
    outputs = [part for column in columns for part in column.parts]
    tab.select(show_maps, inputs, outputs, show_progress="hidden", api_name="maps")
    changes = [small.release, trained.release, tokens.submit, tokens.blur, shell.methods.line.change]
    when_changed(changes, follow_maps, [shell.tab, *inputs], outputs)
    wire_downloads(downloads, map_files, inputs)
    return [
        LinkedControl("small", small, int),
        LinkedControl("trained", trained, int),
        LinkedControl("tokens", tokens, int),
    ]


def _build_column(index: int) -> MapColumn:
    with gr.Column(visible=False, min_width=260, elem_id=f"map-{index}", elem_classes="map") as column:
        title = gr.HTML()
        small = plot("Distance map of a small text", elem_id=f"map-{index}-small", elem_classes="small-map")
        small_caption = gr.HTML()
        true = plot("Distance map of the true text", elem_id=f"map-{index}-true")
        true_caption = gr.HTML()
    return MapColumn(column, title, small, small_caption, true, true_caption)


@for_visitor
def follow_maps(tab: str, *inputs: Any) -> list[Any]:
    """A control has changed; maps that nobody looks at are not drawn."""
    return show_maps(*inputs) if tab == TAB else NOTHING


@for_visitor
def show_maps(model_name: str, small: Any, trained: Any, tokens: Any, length: Any, *values: Any) -> list[Any]:
    """Updates for every column: the maps of each chosen method, the others hidden. Nothing while a page opens."""
    if method_controls.opening(values):
        return NOTHING
    both = read_maps(model_name, small, trained, tokens, length, *values)
    updates = [update for method, maps_of in both for update in _show(method, maps_of)]
    return updates + [gr.Column(visible=False), *[gr.skip()] * (PARTS - 1)] * (MOST_METHODS - len(both))


def read_maps(
    model_name: str, small: Any, trained: Any, tokens: Any, length: Any, *values: Any
) -> list[tuple[Method, distance_maps.MethodMaps]]:
    """The maps of each chosen method. Raises `LongSightError` on values that cannot be drawn."""
    model = model_catalogue.model(model_name)
    tokens = int(tokens or length or model.train_length)
    methods = method_controls.read_values(model, values, int(length or model.train_length))
    return [
        (method, distance_maps.method_maps(method, tokens, model.train_length, small, trained)) for method in methods
    ]


def map_files(kind: str, *values: Any) -> tuple[str, dict[str, bytes]]:
    """The true maps as files of a format, and a name for all of them."""
    return "longsight-maps", {
        f"map-{method.key}.{kind}": file_of(both.true, kind) for method, both in read_maps(*values)
    }


def _show(method: Method, both: distance_maps.MethodMaps) -> list[Any]:
    return [
        gr.Column(visible=True),
        f'<div class="method-head" style="--method:{palette.colour(method.key)}"><b>{method.title}</b>'
        f"<span>sees: {method.sees}</span><span>is told: {method.tells}</span></div>",
        drawn(distance_maps.map_figure(both.small)),
        f'<p class="caption">In small, as if trained on {both.small.train_length}: {both.small.caption}.</p>',
        drawn(distance_maps.map_figure(both.true)),
        f'<p class="caption"><b>{both.true.n:,} tokens, {both.true.caption}.</b> '
        f"{distance_maps.what_to_see(both.true)}</p>"
        f'<p class="caption pooling">{both.true.pooling}</p>',
    ]


def legend() -> str:
    """The two ramps that every map shares."""
    seen, unseen = palette.SEEN, palette.UNSEEN
    return (
        '<div class="legend"><span>effective distance</span><span>0</span>'
        f'<i style="background:linear-gradient(90deg,{seen[0]},{seen[1]})"></i><b>trained length</b>'
        f'<i style="background:linear-gradient(90deg,{unseen[0]},{unseen[1]})"></i>'
        "<span>twice that, or more</span></div>"
    )
