"""Figures draw what the record holds, in colours that every eye can tell apart, and stay small."""

import itertools
import json
import re

import numpy as np
import pytest

from analysis.diagnostics.distance_map import distance_map
from analysis.diagnostics.distance_map_figure import colour_scale, distance_figure
from analysis.drawing.palette import COLOURS, SEEN, UNSEEN, colour, dash, marker
from longsight.errors import LongSightError
from longsight.methods import METHODS

TRAINED = 512

# How a colour (linear RGB) looks to an eye with a full deficiency: Machado, Oliveira and Fernandes 2009, severity 1.0.
EYES = {
    "ordinary": np.eye(3),
    "protanopic": [[0.152, 1.053, -0.205], [0.115, 0.786, 0.099], [-0.004, -0.048, 1.052]],
    "deuteranopic": [[0.367, 0.861, -0.228], [0.280, 0.673, 0.047], [-0.012, 0.043, 0.969]],
    "tritanopic": [[1.256, -0.077, -0.179], [-0.078, 0.931, 0.148], [0.005, 0.691, 0.304]],
}


def linear(colour):
    channels = np.array([int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5)])
    return np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)


def oklab(rgb):
    """Ottosson's OKLab, where a difference of about 0.02 is just noticeable."""
    cone = np.array([[0.4122, 0.5363, 0.0514], [0.2119, 0.6807, 0.1074], [0.0883, 0.2817, 0.6300]]) @ np.clip(rgb, 0, 1)
    return np.array([[0.2105, 0.7936, -0.0041], [1.9780, -2.4286, 0.4506], [0.0259, 0.7828, -0.8087]]) @ np.cbrt(cone)


def difference(one, other, eye):
    return float(np.linalg.norm(oklab(EYES[eye] @ linear(one)) - oklab(EYES[eye] @ linear(other))))


def contrast(colour, background):
    weights = np.array([0.2126, 0.7152, 0.0722])
    lighter, darker = sorted((linear(colour) @ weights, linear(background) @ weights), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


@pytest.mark.parametrize(
    ("eye", "least"), [("ordinary", 0.1), ("protanopic", 0.08), ("deuteranopic", 0.08), ("tritanopic", 0.05)]
)
def test_any_two_methods_differ_to_every_eye(eye, least):
    assert min(difference(a, b, eye) for a, b in itertools.combinations(COLOURS, 2)) > least


@pytest.mark.parametrize("background", ["#ffffff", "#0b0f19"])
def test_method_colours_stand_out_from_a_light_and_a_dark_page(background):
    assert min(contrast(c, background) for c in COLOURS) > 2.4


@pytest.mark.parametrize("eye", EYES)
def test_unseen_distances_differ_from_seen_ones_to_every_eye(eye):
    assert min(difference(a, b, eye) for a in SEEN for b in UNSEEN) > 0.15


def test_every_method_has_its_own_colour_dash_and_marker():
    assert len({colour(key) for key in METHODS}) == len(METHODS)
    assert len({(dash(key), marker(key)) for key in METHODS}) == len(METHODS)


def test_an_unknown_method_has_no_colour():
    with pytest.raises(LongSightError, match="no method 'warp' to colour; the methods are vanilla, "):
        colour("warp")


@pytest.mark.parametrize("cells", [256, 512])
@pytest.mark.parametrize("key", METHODS)
def test_a_map_of_millions_of_tokens_stays_under_two_megabytes(key, cells):
    n = 20_000_000
    figure = distance_figure(distance_map(METHODS[key].for_model(TRAINED, n), n, TRAINED, cells))
    assert len(figure.to_json()) < 2_000_000


def test_longest_band_names_stay_under_two_megabytes():
    method = METHODS["lm-infinite"](window=19_000_000, starting=4, ceiling=100)
    assert len(distance_figure(distance_map(method, 20_000_000, 64)).to_json()) < 2_000_000


def test_a_small_map_writes_its_distances_and_a_large_one_does_not():
    small = distance_figure(distance_map(METHODS["lm-infinite"](window=4, starting=2), 14, 4)).data[0]
    assert small.texttemplate == "%{z:.4~g}"
    assert small.z[13, :].tolist()[:2] == [4, 4]
    assert np.isnan(small.z[13, 5])
    assert distance_figure(distance_map(METHODS["vanilla"](), 400, 4)).data[0].texttemplate is None


def test_hidden_pairs_are_blank_and_do_not_answer_the_pointer():
    heatmap = distance_figure(distance_map(METHODS["window"](window=2), 6, 2)).data[0]
    assert heatmap.hoverongaps is False
    assert heatmap.text[5][0] == ""
    assert np.isnan(heatmap.z[5, 0])


def test_the_hover_names_pair_distances_band_and_pooling():
    record = distance_map(METHODS["self-extend"](group=8, window=64), 8192, 128)
    heatmap = distance_figure(record).data[0]
    assert {"%{y:,}", "%{x:,}", "%{customdata:,}", "%{z:,~f}", "%{text}"} == set(
        re.findall(r"%\{.*?\}", heatmap.hovertemplate)
    )
    assert "one exact pair<br>for 32.0 x 32.0 tokens" in heatmap.hovertemplate
    assert heatmap.text[255][0] == "grouped, unseen"
    assert heatmap.text[255][255] == "neighbour"
    assert heatmap.customdata[255, 0] == 8191


def test_the_scale_depends_on_the_trained_length_alone_and_breaks_just_past_it():
    figures = [
        distance_figure(distance_map(METHODS[key].for_model(TRAINED, n), n, TRAINED)).data[0]
        for key in METHODS
        for n in (100, 3000)
    ]
    assert len({json.dumps([f.zmin, f.zmax, f.colorscale]) for f in figures}) == 1
    edge = colour_scale(TRAINED)[1][0] * figures[0].zmax
    assert TRAINED < edge < TRAINED + 1


def test_figures_have_no_background_of_their_own():
    layout = distance_figure(distance_map(METHODS["vanilla"](), 10, 4)).layout
    assert layout.paper_bgcolor == layout.plot_bgcolor == "rgba(0, 0, 0, 0)"
