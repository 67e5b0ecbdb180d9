"""The distance-map panel: a column of maps for each chosen method, and their files."""

import json

import gradio as gr
import numpy as np
import pytest

from analysis.diagnostics.distance_map import DistanceMap
from analysis.export.files import from_npz
from app.components.plot import drawn
from app.panels import maps
from app.session import distance_maps, document_loading
from app.session.documents import at_once
from longsight.methods import METHODS
from longsight.progress import finish
from tests.app.panels.test_method_controls import values_of


@pytest.fixture(scope="module")
def panel(shared):
    return maps.build_panel(shared)


@pytest.fixture
def asked(panel, model, session):
    """The values of all controls, as the page sends them."""

    def values(*methods, tokens=0, length=300, group=0, line=None):
        [written] = values_of(model, methods, length) if line is None else [line]
        return ["tiny", session, 16, 8, tokens, group, length, written]

    return values


def test_the_panel_shows_a_column_for_each_method_and_hides_the_others(panel, asked):
    updates = panel.show(*asked(METHODS["vanilla"](), METHODS["window"](window=32)))
    columns = panel.columns
    visible = [updates[column.column].constructor_args["visible"] for column in columns]
    assert visible == [True, True] + [False] * (len(columns) - 2)
    assert "<b>Window</b>" in updates[columns[1].title]
    assert "300 tokens" in updates[columns[0].true_caption]
    assert json.loads(updates[columns[0].small])["data"][0]["type"] == "heatmap"
    assert set(updates) <= set(panel.shown)


def test_the_maps_say_what_their_length_is_made_of_and_what_was_fitted_to_it(panel, asked, model, session, document):
    assert "Maps are of 32 tokens, the trained length." in panel.show(*asked(line="vanilla"))[panel.acting]
    finish(document_loading.take_steps(session, model, at_once(lambda: document)))
    count, whole = len(session.tokens["tiny"]), document_loading.target_length(session, model)
    told = panel.show(*asked(length=whole, line="self-extend"))[panel.acting]
    said = f"Maps are of {whole:,} tokens, the {count:,} of the text and 256 for a question and its answer."
    assert whole == count + 256
    assert f"{said} Methods are fitted to {whole:,} tokens: SelfExtend group " in told
    told = panel.show(*asked(length=whole, tokens=99, line="vanilla"))[panel.acting]
    assert "Maps are of 99 tokens.</p>" in told


def test_a_figure_reaches_the_page_as_json_with_its_arrays():
    figure = distance_maps.map_figure(distance_maps.method_maps(METHODS["vanilla"](), 300, 32, 16, 8).small)
    sent = json.loads(drawn(figure))
    assert sent["data"][0]["type"] == "heatmap"
    assert sent["layout"]["xaxis"]["title"]["text"] == "key position j"


def test_no_maps_are_drawn_while_the_page_opens(panel, asked):
    values = asked(METHODS["vanilla"]())
    assert panel.columns[0].column in panel.show(*values)
    draft = panel.shared.methods.draft
    opening = ["" if control is draft else value for control, value in zip(panel.inputs, values, strict=True)]
    assert panel.show(*opening) == gr.skip()


def test_the_true_maps_are_saved_as_they_are_drawn(panel, asked):
    name, files = panel.files("npz", *asked(METHODS["vanilla"](), METHODS["window"](window=32)))
    assert (name, list(files)) == ("longsight-maps", ["map-vanilla.npz", "map-window.npz"])
    assert from_npz(DistanceMap, files["map-window.npz"]).n == 300


def test_one_method_stands_beside_itself_with_other_parameters(panel, asked):
    values = asked(*(METHODS["self-extend"](group=group, window=16) for group in (2, 8)))
    updates = panel.show(*values)
    one, two, _ = panel.columns
    assert ["<b>SelfExtend G=2</b>" in updates[one.title], "<b>SelfExtend G=8</b>" in updates[two.title]] == [True] * 2
    assert updates[one.title].partition("--method:")[2][:7] != updates[two.title].partition("--method:")[2][:7]
    _, files = panel.files("npz", *values)
    assert list(files) == ["map-self-extend.npz", "map-self-extend-2.npz"]
    assert [from_npz(DistanceMap, file).parameters["group"] for file in files.values()] == [2, 8]


def test_where_groups_of_frequencies_differ_one_of_them_is_picked(panel, asked):
    """Others stay as they are, and so does a method with fewer groups than the number that is picked."""
    methods = METHODS["dpe"](groups="1 4", window=8), METHODS["window"](window=32)
    hidden = panel.show(*asked(METHODS["window"](window=32)))[panel.group]
    shown = panel.show(*asked(*methods))[panel.group]
    assert (hidden.constructor_args["visible"], shown.constructor_args["visible"]) == (False, True)
    told = {}
    for group in (0, 1, 2, 3):
        _, files = panel.files("npz", *asked(*methods, group=group))
        record = from_npz(DistanceMap, files["map-dpe.npz"])
        told[group] = float(record.effective[-1, 0])
        assert from_npz(DistanceMap, files["map-window.npz"]).note == ""
    assert told == {0: 299 // 4 + 8 - 2, 1: 299.0, 2: 299 // 4 + 8 - 2, 3: 299 // 4 + 8 - 2}
    shown = {}
    for group in (0, 1, 2):
        _, files = panel.files("npz", *asked(METHODS["duo"](window=20, starting=4), group=group))
        shown[group] = from_npz(DistanceMap, files["map-duo.npz"])
    assert [bool(np.isnan(shown[group].effective[-1, 10])) for group in (0, 1, 2)] == [True, False, True]
    assert "drawn is group 2 of 2, Λ only (window=20, starting=4); others: Vanilla." in shown[0].note
    for wrong, sentence in (
        ({"group": 65}, "(1: the first, 0: the last) must be a whole number from 0 to 64, but 65 was given."),
        ({"tokens": 1.5}, "The length of the text must be a whole number of tokens from 1 to 10,000,000, but 1.5 was"),
    ):
        told = panel.show(*asked(*methods, **wrong))
        assert told.keys() == {panel.acting}, "the maps stay as they were"
        assert sentence in told[panel.acting]
