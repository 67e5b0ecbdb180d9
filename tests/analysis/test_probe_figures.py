"""Figures of what probes measure draw what the records hold, side by side, and stay small."""

import re
from dataclasses import replace

import numpy as np
import pytest

from analysis.diagnostics.attention_figure import difference_figure, map_figure, overview_cells, overview_figure
from analysis.diagnostics.clusters import project
from analysis.diagnostics.clusters_figure import clusters_figure, sinks_figure
from analysis.diagnostics.distances_figure import distances_figure, mass_figure
from analysis.diagnostics.entropy_figure import entropy_figure
from analysis.diagnostics.logits_figure import logits_figure
from analysis.diagnostics.nll_figure import coloured_text, nll_figure, smoothed
from analysis.diagnostics.observed import (
    PARTS,
    AttentionMap,
    DistanceRecord,
    EntropyRecord,
    HiddenRecord,
    LogitRecord,
    MassRecord,
    NLLRecord,
    SinkRecord,
)
from analysis.drawing.curves import growing_edges, run_edges, spread_layers, thinned
from analysis.drawing.palette import PART_COLOURS, colour
from analysis.runs import make_runs
from longsight.errors import LongSightError
from longsight.methods import METHODS

N, LAYERS, HEADS, TRAINED = 32_768, 6, 5, 512
LONGEST = "a token of the longest kind"
RNG = np.random.default_rng(0)


def header(method="vanilla", n=N):
    return {
        "model": "m", "method": method, "caption": f"{method} (a=1)", "parameters": {"a": 1}, "n": n, "unread": 0,
        "train_length": TRAINED,
    }  # fmt: skip


def queries(method="vanilla", n=N, layers=LAYERS):
    position = np.arange(n)
    return header(method, n) | {
        "sampling": "Every query was measured.", "layer": np.arange(layers), "position": position,
        "token": np.array([LONGEST] * n), "keys": np.broadcast_to(position + 1, (layers, n)),
    }  # fmt: skip


def noise(*shape, scale=1.0):
    return (scale * RNG.random(shape)).astype(np.float32)


def logits(method="vanilla", n=N, layers=LAYERS):
    fields = {name: noise(layers, HEADS, n, scale=9) for name in ("largest", "mean", "spread")}
    return LogitRecord(**queries(method, n, layers), **fields)


def entropy(method="vanilla", n=N, largest=1.5):
    values = 0.7 * np.log(np.arange(1, n + 1)) * np.ones((LAYERS, HEADS, 1))
    return EntropyRecord(**queries(method, n), entropy=values, largest=np.full((LAYERS, HEADS), largest))


def mass(method="vanilla", n=N):
    parts = {"starting": 0.4, "recent": 0.3, "middle": 0.2, "fetched": 0.1}
    fields = {name: np.full((LAYERS, HEADS, n), share, dtype=np.float32) for name, share in parts.items()}
    return MassRecord(
        **queries(method, n), starting_tokens=10, window=TRAINED, distance=noise(LAYERS, HEADS, n), **fields
    )


def distances(method="vanilla", bins=4096):
    trained = np.where(np.arange(bins) < 65, 3.0, 0)
    return DistanceRecord(
        **header(method), sampling="all", queries=9, width=8, layer=np.arange(LAYERS), upper=8 * np.arange(bins),
        shown=noise(bins), trained=trained, attended=noise(LAYERS, bins),
    )  # fmt: skip


def attention(method="vanilla", cells=512, layers=1, heads=1, queries=(0, N), keys=(0, N), layer=0):
    position = np.arange(cells) * (queries[1] - queries[0]) // cells + queries[0]
    token = np.array([LONGEST] * cells)
    weight = np.where(np.tri(cells, dtype=bool), noise(layers, heads, cells, cells), np.nan)
    return AttentionMap(
        **header(method), sampling="all", queries=queries, keys=keys, layer=layer + np.arange(layers),
        head=np.arange(heads), query_position=position, key_position=position, query_token=token, key_token=token,
        weight=weight,
    )  # fmt: skip


def hidden(points=1088, depths=4, shift=30.0, method="vanilla"):
    states = RNG.standard_normal((depths, points, 16))
    states[:, :10, 0] += shift
    return HiddenRecord(
        **header(method), depth=np.arange(depths), position=np.arange(points), token=np.array([LONGEST] * points),
        states=states,
    )  # fmt: skip


def sinks(n=N):
    received = np.full((LAYERS, HEADS, n), 1e-4)
    received[:, :, 0], received[:2, :, 7] = 0.5, 0.4
    seen = n - np.arange(n)
    return SinkRecord(
        **header(n=n), sampling="all", queries=n, layer=np.arange(LAYERS), position=np.arange(n),
        token=np.array([LONGEST] * n), seen=seen, received=received,
    )  # fmt: skip


def nll(method="vanilla", n=N, values=None):
    values = noise(n, scale=6) if values is None else values
    return NLLRecord(**header(method, n), token=np.array(["<b> word"] * n), nll=values)


ONE = make_runs([METHODS["vanilla"]()])
THREE = make_runs([METHODS["vanilla"](), *(METHODS["self-extend"](group=group, window=64) for group in (4, 16))])
LARGE = {
    "logits": lambda: logits_figure(THREE, [logits() for _ in THREE]),
    "entropy": lambda: entropy_figure(THREE, [entropy() for _ in THREE]),
    "nll": lambda: nll_figure(THREE, [nll() for _ in THREE]),
    "distances": lambda: distances_figure(THREE, [distances() for _ in THREE]),
    "mass": lambda: mass_figure([mass() for _ in THREE]),
    "one map of 512 cells": lambda: map_figure(attention(), 0, 0),
    "one map of 128 cells, named": lambda: map_figure(attention(cells=128), 0, 0),
    "difference": lambda: difference_figure(attention(cells=128), attention("ceiling", cells=128), 0, 0),
    "overview": lambda: overview_figure(attention(cells=overview_cells(30), layers=LAYERS, heads=HEADS)),
    "overview of many": lambda: overview_figure(attention(cells=overview_cells(192), layers=6, heads=32)),
    "clusters in space": lambda: clusters_figure(project([hidden() for _ in range(4)], axes=3)),
    "sinks": lambda: sinks_figure(ONE[0], sinks()),
}


@pytest.mark.parametrize("name", LARGE)
def test_no_figure_exceeds_two_megabytes_at_the_longest_text(name):
    assert len(LARGE[name]().to_json()) < 2_000_000


@pytest.mark.parametrize("name", LARGE)
def test_figures_have_no_background_of_their_own_and_say_what_their_axes_are(name):
    layout = LARGE[name]().layout
    assert layout.paper_bgcolor == layout.plot_bgcolor == "rgba(0, 0, 0, 0)"
    assert set(layout.meta) <= {"x", "y", "pooled"}


def test_curves_are_means_over_neighbours():
    values = np.array([[1.0, 3.0, np.nan, 5.0, np.nan, np.nan]])
    np.testing.assert_array_equal(thinned(values, run_edges(6, 3)), [[2.0, 5.0, np.nan]])
    assert run_edges(6, 3).tolist() == [0, 2, 4]
    assert run_edges(2, 3).tolist() == [0, 1]
    assert growing_edges(1000, 4).tolist() == [0, 9, 99, 999]
    assert growing_edges(2).tolist() == [0, 1]


def test_many_layers_are_spread_with_both_ends():
    assert spread_layers(5) == [0, 1, 2, 3, 4]
    assert spread_layers(32) == [0, 6, 12, 19, 25, 31]
    panels = logits_figure(ONE, [logits(n=64, layers=32)]).layout.annotations
    assert [note.text for note in panels if note.text.startswith("layer")] == [f"layer {n}" for n in spread_layers(32)]


def test_logits_draw_the_mean_over_heads_on_a_band_over_heads():
    record = logits(n=100)
    runs = make_runs([METHODS[key].for_model(TRAINED, 100) for key in ("vanilla", "lm-infinite")])
    figure = logits_figure(runs, [record, logits("lm-infinite", n=100)], mark=70)
    low, high, line = (trace for trace in figure.data if trace.xaxis == "x" and trace.legendgroup == "vanilla")
    np.testing.assert_allclose(line.y, record.largest[0].mean(0), rtol=1e-6)
    np.testing.assert_allclose(low.y, record.largest[0].min(0), rtol=1e-6)
    np.testing.assert_allclose(high.y, record.largest[0].max(0), rtol=1e-6)
    assert (high.fill, line.line.color) == ("tonexty", colour("vanilla"))
    assert [trace.name for trace in figure.data if trace.showlegend] == ["Vanilla", "LM-Infinite"]
    assert {shape.x0 for shape in figure.layout.shapes} == {TRAINED, 70}
    assert len(figure.layout.shapes) == 2 * LAYERS


def test_panels_share_their_axes():
    layout = logits_figure(ONE, [logits(n=64)]).layout
    for letter in "xy":
        followed = [layout[f"{letter}axis{n or ''}"].matches for n in ("", *range(2, LAYERS + 1))]
        assert followed.count(None) == 1
        assert len(set(followed)) == 2


def test_entropy_draws_the_bound_that_holds_and_what_is_most():
    figure = entropy_figure(ONE, [entropy(n=256, largest=1.5)])
    traces = {trace.name: trace for trace in figure.data if trace.xaxis == "x"}
    edges = growing_edges(256)
    most = thinned(np.log(np.arange(1, 257)), edges)
    np.testing.assert_allclose(traces["ln n: spread evenly"].y, most, rtol=1e-6)
    bound = thinned(np.maximum(np.log(np.arange(1, 257)) - 3, 0), edges)
    np.testing.assert_allclose(traces["at least: ln n - 2B"].y, bound, atol=1e-6)
    np.testing.assert_allclose(traces["Vanilla"].y, 0.7 * most, rtol=1e-6)
    assert traces["Vanilla"].x.tolist() == (edges + 1).tolist()
    assert figure.layout.xaxis.type == "log"
    marked = entropy_figure(ONE, [entropy(n=256)], mark=0)
    assert {shape.x0 for shape in marked.layout.shapes if shape.name == "mark"} == {1}  # no place for 0 on this axis


def test_smoothing_is_a_mean_of_what_is_known():
    values = np.array([np.nan, 1.0, 3.0, 5.0, 7.0])
    np.testing.assert_array_equal(smoothed(values, 1), values)
    np.testing.assert_allclose(smoothed(values, 3), [np.nan, 2.0, 3.0, 5.0, 6.0])
    np.testing.assert_allclose(smoothed(values, 2), [np.nan, 2.0, 4.0, 6.0, 7.0])


def test_nll_curves_are_smoothed_as_asked():
    record = nll(n=500)
    (line,) = nll_figure(ONE, [record], smoothing=9).data
    np.testing.assert_allclose(line.y, smoothed(record.nll, 9), rtol=1e-6)
    assert "mean over 9 tokens" in nll_figure(ONE, [record], smoothing=9).layout.title.text


def test_a_coloured_text_escapes_names_positions_and_is_bounded():
    values = np.linspace(0, 8, 2000)
    values[0] = np.nan
    text = coloured_text(nll(n=2000, values=values), 0)
    assert text.count("<span") == 1024
    assert "&lt;b&gt; word" in text
    assert "<b>" not in text
    assert 'title="position 1,000: 4.00 nats"' in text
    assert 'title="position 0: never predicted"' in text
    assert text.count("border-left") == 1
    strengths = [float(alpha) for alpha in re.findall(r"rgba\(\d+, \d+, \d+, ([\d.]+)\)", text)]
    assert strengths == sorted(strengths)
    assert coloured_text(nll(n=2000, values=values), 1990).count("<span") == 10
    assert f'data-position="{TRAINED // 2}">' in coloured_text(nll(n=2000, values=values)).split("<span")[1]
    assert 'data-position="0">' in coloured_text(nll(n=100)).split("<span")[1]


def test_distances_leave_zeros_out_and_show_training_in_grey():
    record = distances(bins=100)
    trained, shown, attended = distances_figure(ONE, [record]).data
    assert trained.name == "trained on"
    assert np.isnan(trained.y[65:]).all()
    np.testing.assert_allclose(shown.y, record.shown)
    np.testing.assert_allclose(attended.y, record.attended.mean(0), rtol=1e-6)
    assert (shown.xaxis, attended.xaxis) == ("x", "x2")


def test_shares_of_attention_are_stacked_to_one():
    figure = mass_figure([mass(n=50)])
    assert [trace.name for trace in figure.data] == list(PARTS) == list(PART_COLOURS)
    assert sum(trace.y[0] for trace in figure.data) == pytest.approx(1)


def test_an_exact_map_names_the_tokens_and_a_large_one_does_not():
    small = map_figure(attention(cells=16, queries=(0, 16), keys=(0, 16)), 0, 0).data[0]
    assert small.text[3][2] == f"'{LONGEST}' looks at '{LONGEST}'<br>"
    assert small.hovertemplate.startswith("%{text}")
    assert map_figure(attention(cells=200), 0, 0).data[0].text is None
    assert small.hoverongaps is False


def test_a_difference_counts_what_one_hides_as_nothing():
    one, other = attention(cells=4), attention("ceiling", cells=4)
    weight = one.weight.copy()
    weight[0, 0, 3, 0] = np.nan
    figure = difference_figure(replace(one, weight=weight), other, 0, 0)
    assert figure.data[0].z[3][0] == pytest.approx(-other.weight[0, 0, 3, 0])
    assert np.isnan(figure.data[0].z[0][3])
    assert (figure.layout.coloraxis.cmin, figure.layout.coloraxis.cmax) == (-1, 1)


def test_what_cannot_be_drawn_is_refused_in_one_sentence():
    with pytest.raises(LongSightError, match="The map has no layer 3; it has 0."):
        map_figure(attention(cells=4), 3, 0)
    with pytest.raises(LongSightError, match="Two maps of different tokens have no difference"):
        difference_figure(attention(cells=4), attention(cells=4, keys=(0, 9)), 0, 0)
    with pytest.raises(LongSightError, match="200 maps of 64 x 64 cells is too much .* 25 cells a side would work"):
        overview_figure(attention(cells=64, layers=10, heads=20))


def test_an_overview_has_a_panel_for_every_head_in_one_scale():
    figure = overview_figure(attention(cells=8, layers=2, heads=3))
    *maps, bar = figure.data
    assert len(maps) == 6
    assert {trace.coloraxis for trace in maps} == {"coloraxis"}
    assert bar.marker.colorbar.ticktext == ("0.0001", "0.001", "0.01", "0.1", "1")


def test_colours_change_at_powers_of_ten():
    scale = map_figure(attention(cells=4), 0, 0).layout.coloraxis.colorscale
    assert [stop for stop, _ in scale] == [0.0, 1e-4, 1e-3, 1e-2, 1e-1, 1.0]
    scale = difference_figure(attention(cells=4), attention(cells=4), 0, 0).layout.coloraxis.colorscale
    assert [stop for stop, _ in scale] == [0.0, 0.45, 0.495, 0.5, 0.505, 0.55, 1.0]


def test_starting_tokens_stand_out_among_the_points():
    record = project([hidden(), hidden()], ("one", "two"))
    figure = clusters_figure(record)
    assert len(figure.data) == 4 * 2 * 2
    names = [trace.name for trace in figure.data if trace.showlegend]
    assert names == ["one, others", "one, first tokens", "two, others", "two, first tokens"]
    first = figure.data[1]
    assert len(first.x) == 10
    assert first.marker.size > figure.data[0].marker.size
    assert "embedding" in figure.layout.annotations[0].text
    assert f"separation {record.separation[0]:.1f}" in figure.layout.annotations[0].text


def test_sinks_are_named():
    bars, strongest = sinks_figure(ONE[0], sinks(1000)).data
    assert bars.y[:2] == (f"'{LONGEST}' at 0", f"'{LONGEST}' at 7")
    assert bars.x[0] == pytest.approx(0.5 * 1000)
    assert bars.x[1] == pytest.approx(993 * (2 * 0.4 + 4 * 1e-4) / 6)
    assert strongest.x[1] == pytest.approx(0.4 * 993)


def test_a_head_has_a_sink_only_where_enough_queries_see_it():
    record = sinks(100)
    assert np.isnan(record.heads[69:]).all()
    assert record.heads[[0, 7, 8]].tolist() == pytest.approx([1, 2 / 6, 0])
