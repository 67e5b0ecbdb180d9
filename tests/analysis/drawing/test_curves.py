"""Curves over the length of a text have fewer points than it, and fewer panels than a model has layers."""

import numpy as np

from analysis.drawing.curves import growing_edges, run_edges, spread_layers, thinned


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
