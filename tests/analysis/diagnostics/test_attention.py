"""Where attention goes, stacked along the text."""

import numpy as np
import pytest

from analysis.diagnostics.attention import PARTS, MassRecord, mass_figure
from analysis.drawing.palette import PART_COLOURS
from tests.analysis.diagnostics.made import HEADS, LAYERS, THREE, TRAINED, N, check_figure, noise, queries


def mass(method="vanilla", n=N):
    parts = {"starting": 0.4, "recent": 0.3, "middle": 0.2, "fetched": 0.1}
    fields = {name: np.full((LAYERS, HEADS, n), share, dtype=np.float32) for name, share in parts.items()}
    return MassRecord(
        **queries(method, n), starting_tokens=10, window=TRAINED, distance=noise(LAYERS, HEADS, n), **fields
    )


def test_the_figure_of_the_longest_text_is_one_like_all_others():
    check_figure(mass_figure([mass() for _ in THREE]))


def test_shares_of_attention_are_stacked_to_one():
    figure = mass_figure([mass(n=50)])
    assert [trace.name for trace in figure.data] == list(PARTS) == list(PART_COLOURS)
    assert sum(trace.y[0] for trace in figure.data) == pytest.approx(1)
