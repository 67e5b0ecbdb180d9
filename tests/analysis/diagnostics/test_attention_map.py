"""Attention maps name their tokens, subtract, and stay small."""

from dataclasses import replace

import numpy as np
import pytest

from analysis.diagnostics.attention_lines import can_be_drawn, lines_figure
from analysis.diagnostics.attention_map import (
    AttentionMap,
    difference_figure,
    map_figure,
    overview_cells,
    overview_figure,
)
from longsight.errors import LongSightError
from tests.analysis.diagnostics.made import HEADS, LAYERS, LONGEST, N, check_figure, header, noise


def attention(method="vanilla", cells=512, layers=1, heads=1, queries=(0, N), keys=(0, N), layer=0):
    position = np.arange(cells) * (queries[1] - queries[0]) // cells + queries[0]
    token = np.array([LONGEST] * cells)
    weight = np.where(np.tri(cells, dtype=bool), noise(layers, heads, cells, cells), np.nan)
    return AttentionMap(
        **header(method), sampling="all", queries=queries, keys=keys, layer=layer + np.arange(layers),
        head=np.arange(heads), query_position=position, key_position=position, query_token=token, key_token=token,
        weight=weight,
    )  # fmt: skip


def stretch(cells, first=900, **options):
    return attention(cells=cells, queries=(first, first + cells), keys=(first, first + cells), **options)


LARGE = {
    "lines of 128 tokens": lambda: lines_figure(stretch(128), 0, 0),
    "one map of 512 cells": lambda: map_figure(attention(), 0, 0),
    "one map of 128 cells, named": lambda: map_figure(attention(cells=128), 0, 0),
    "difference": lambda: difference_figure(attention(cells=128), attention("ceiling", cells=128), 0, 0),
    "overview": lambda: overview_figure(attention(cells=overview_cells(30), layers=LAYERS, heads=HEADS)),
    "overview of many": lambda: overview_figure(attention(cells=overview_cells(192), layers=6, heads=32)),
}


@pytest.mark.parametrize("name", LARGE)
def test_figures_of_the_longest_text_are_like_all_others(name):
    check_figure(LARGE[name]())


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
    axes = [(trace.xaxis, figure.layout[f"yaxis{trace.yaxis[1:]}"].scaleanchor) for trace in maps]
    assert all(x == anchor for x, anchor in axes), "each map is as high as wide"
    assert bar.marker.colorbar.ticktext == ("0.0001", "0.001", "0.01", "0.1", "1")


@pytest.mark.parametrize(("cells", "half"), [(40, 0.5), (8, 2.5)])
def test_the_axes_show_what_was_asked_for_even_while_the_map_is_blank(cells, half):
    record = attention(cells=cells, queries=(580, 620), keys=(540, 580))
    blank = replace(record, weight=np.full_like(record.weight, np.nan))
    for layout in (map_figure(blank, 0, 0, mark=3).layout, overview_figure(blank).layout):
        assert layout.xaxis.range == (540 - half, 580 - half)
        assert layout.yaxis.range == (620 - half, 580 - half), "queries go downwards"


def test_colours_change_at_powers_of_ten():
    scale = map_figure(attention(cells=4), 0, 0).layout.coloraxis.colorscale
    assert [stop for stop, _ in scale] == [0.0, 1e-4, 1e-3, 1e-2, 1e-1, 1.0]
    scale = difference_figure(attention(cells=4), attention(cells=4), 0, 0).layout.coloraxis.colorscale
    assert [stop for stop, _ in scale] == [0.0, 0.45, 0.495, 0.5, 0.505, 0.55, 1.0]


def test_an_exact_map_has_its_tokens_at_its_axes_and_is_as_long_as_wide():
    layout = map_figure(stretch(16), 0, 0).layout
    assert layout.xaxis.ticktext == layout.yaxis.ticktext == ("a token of th…",) * 16
    assert list(layout.xaxis.tickvals) == list(range(900, 916))
    assert layout.yaxis.scaleanchor == "x"
    assert map_figure(attention(cells=200), 0, 0).layout.xaxis.ticktext is None
    assert map_figure(attention(cells=4, keys=(0, 9)), 0, 0).layout.yaxis.scaleanchor is None


def test_lines_stand_for_every_weight_of_a_short_exact_stretch():
    record = stretch(4)
    weight = np.array([[1, 0, 0, 0], [0.004, 0.996, 0, 0], [0.5, 0.25, 0.25, 0], [0.31, 0.39, 0.1, 0.2]])
    record = replace(record, weight=np.where(np.tri(4, dtype=bool), weight, np.nan)[None, None])
    *lines, queries, keys = lines_figure(record, 0, 0).data
    drawn = {(int(i), int(j)): line.opacity for line in lines for i, j in np.reshape(line.y, (-1, 3))[:, :2]}
    expected = {(900 + i, 900 + j): weight[i, j] for i, j in np.ndindex(4, 4) if weight[i, j] >= 0.01}
    assert drawn.keys() == expected.keys()
    assert all(0 <= drawn[pair] - share < 0.1 for pair, share in expected.items())
    assert queries.customdata[2].startswith("50.0% on")
    assert queries.customdata[1].count("<br>") == 1  # below 1 % there is no line, and yet it is told
    assert keys.customdata[0] == "looked at with 1.81 in all"


def test_lines_are_drawn_of_one_short_stretch_only():
    assert can_be_drawn(stretch(128))
    assert not can_be_drawn(stretch(129))
    assert not can_be_drawn(attention(cells=128))
    assert not can_be_drawn(replace(stretch(16), keys=(0, 16)))
