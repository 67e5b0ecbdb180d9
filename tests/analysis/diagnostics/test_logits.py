"""Curves of attention logits draw what the record holds."""

import numpy as np

from analysis.diagnostics.logits import LogitRecord, logits_figure
from analysis.drawing.curves import spread_layers
from analysis.drawing.palette import colour
from analysis.runs import make_runs
from longsight.methods import METHODS
from tests.analysis.diagnostics.made import HEADS, LAYERS, ONE, THREE, TRAINED, N, check_figure, noise, queries


def logits(method="vanilla", n=N, layers=LAYERS):
    fields = {name: noise(layers, HEADS, n, scale=9) for name in ("largest", "mean", "spread")}
    return LogitRecord(**queries(method, n, layers), **fields)


def test_the_figure_of_the_longest_text_is_one_like_all_others():
    check_figure(logits_figure(THREE, [logits() for _ in THREE]))


def test_many_layers_are_spread_with_both_ends():
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
