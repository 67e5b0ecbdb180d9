"""Curves of attention entropy draw what the record holds, and the bound."""

import numpy as np

from analysis.diagnostics.entropy import EntropyRecord, entropy_figure
from analysis.drawing.curves import growing_edges, thinned
from tests.analysis.diagnostics.made import HEADS, LAYERS, ONE, THREE, N, check_figure, queries


def entropy(method="vanilla", n=N, largest=1.5):
    values = 0.7 * np.log(np.arange(1, n + 1)) * np.ones((LAYERS, HEADS, 1))
    return EntropyRecord(**queries(method, n), entropy=values, largest=np.full((LAYERS, HEADS), largest))


def test_the_figure_of_the_longest_text_is_one_like_all_others():
    check_figure(entropy_figure(THREE, [entropy() for _ in THREE]))


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
