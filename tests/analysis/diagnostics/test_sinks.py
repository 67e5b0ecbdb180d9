"""The tokens that collect most attention."""

import numpy as np
import pytest

from analysis.diagnostics.sinks import SinkRecord, sinks_figure
from tests.analysis.diagnostics.made import HEADS, LAYERS, LONGEST, ONE, N, check_figure, header


def sinks(n=N):
    received = np.full((LAYERS, HEADS, n), 1e-4)
    received[:, :, 0], received[:2, :, 7] = 0.5, 0.4
    seen = n - np.arange(n)
    return SinkRecord(
        **header(n=n), sampling="all", queries=n, layer=np.arange(LAYERS), position=np.arange(n),
        token=np.array([LONGEST] * n), seen=seen, received=received,
    )  # fmt: skip


def test_the_figure_of_the_longest_text_is_one_like_all_others():
    check_figure(sinks_figure(ONE[0], sinks()))


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
