"""Histograms of effective distances count what they say, and draw what the record holds."""

import numpy as np

from analysis.diagnostics.distances import DistanceRecord, distances_figure, possible_keys, trained_keys
from tests.analysis.diagnostics.made import LAYERS, ONE, THREE, check_figure, header, noise


def distances(method="vanilla", bins=4096):
    trained = np.where(np.arange(bins) < 65, 3.0, 0)
    return DistanceRecord(
        **header(method), sampling="all", queries=9, width=8, layer=np.arange(LAYERS), upper=8 * np.arange(bins),
        shown=noise(bins), trained=trained, possible=2 * trained, attended=noise(LAYERS, bins),
    )  # fmt: skip


def test_the_figure_of_the_longest_text_is_one_like_all_others():
    check_figure(distances_figure(THREE, [distances() for _ in THREE]))


def test_trained_distances_are_counted_pair_by_pair():
    counted = np.zeros(6)
    for query in range(10):
        for key in range(query + 1):
            counted[-(-(query - key) // 2)] += 1
    assert trained_keys(10, 2, 6).tolist() == (counted / 10).tolist()


def test_no_query_of_training_sees_more_at_a_distance_than_the_last_one():
    seen = np.zeros((10, 6))
    for query in range(10):
        for key in range(query + 1):
            seen[query, -(-(query - key) // 2)] += 1
    assert possible_keys(10, 2, 6).tolist() == seen.max(0).tolist() == seen[-1].tolist()


def test_distances_leave_zeros_out_and_show_training_in_grey():
    record = distances(bins=100)
    most, trained, shown, attended = distances_figure(ONE, [record]).data
    assert (most.name, most.fill) == ("in training, at most", "tozeroy")
    assert (trained.name, trained.fill) == ("in training, mean query", None)
    assert np.isnan(most.y[65:]).all()
    assert np.isnan(trained.y[65:]).all()
    np.testing.assert_allclose(shown.y, record.shown)
    np.testing.assert_allclose(attended.y, record.attended.mean(0), rtol=1e-6)
    assert (shown.xaxis, attended.xaxis) == ("x", "x2")


def test_upward_axes_count_powers_of_ten_alone():
    layout = distances_figure(ONE, [distances(bins=100)]).layout
    assert (layout.yaxis.dtick, layout.yaxis2.dtick) == (1, 1)
