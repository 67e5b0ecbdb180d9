"""Grids of keys found: counted, and drawn with the limits of their method."""

import json
import math

import numpy as np
import pytest

from analysis.evaluation.grid_figure import FOUND, grid_figure, limit_place
from analysis.evaluation.grid_record import Trial, grid_record


def test_a_grid_may_have_holes():
    trials = [Trial(100, 0.0, True, 64, None), Trial(100, 0.0, False, 64, None), Trial(200, 1.0, True, 64, None)]
    grid = grid_record("m", "passkey", "vanilla", 32, trials)
    assert grid.share.tolist()[0][0] == 0.5
    assert np.isnan(grid.share[0, 1])
    figure = grid_figure([grid])
    assert [title.text for title in figure.layout.annotations[:1]] == ["Vanilla<br><sup>reach 64</sup>"]
    assert figure.data[0].text[0] == ["1/2", ""]
    assert figure.data[0].customdata[1][1] == [200, 1.0]
    empty = grid_record("m", "passkey", "vanilla", 32, [])
    assert empty.found.shape == (0, 0)
    json.loads(grid_figure([grid, empty]).to_json())


@pytest.mark.parametrize(("limits", "place"), [
    ([math.inf] * 3, None), ([50] * 3, -0.5), ([100] * 3, 0.5), ([399] * 3, 1.5), ([400] * 3, None),
    ([math.inf, 100, 100], 0.5), ([900, 900, 150], 1.5),
])  # fmt: skip
def test_limits_stand_where_texts_become_too_long(limits, place):
    found = limit_place(np.array([100, 200, 400]), np.array(limits, dtype=float))
    assert found == place


def test_the_more_are_found_the_darker_and_a_key_says_so():
    light = [sum(weight * int(ink[at : at + 2], 16) for weight, at in ((2, 1), (7, 3), (1, 5))) for _, ink in FOUND]
    assert light == sorted(light, reverse=True)
    layout = grid_figure([grid_record("m", "passkey", "vanilla", 32, [Trial(100, 0.0, True, 64, None)])]).layout
    assert layout.coloraxis.colorbar.ticktext == ("none", "all")
    assert (layout.xaxis.title.text, layout.yaxis.title.text) == ("length [tokens]", "depth of the key")


def test_every_column_has_its_lengths_below_and_their_name_stands_once_where_three_have_no_room_for_it():
    grid = grid_record("m", "passkey", "vanilla", 32, [Trial(100, 0.0, True, 64, None)])

    def said(count):
        axes = grid_figure([grid] * count).select_xaxes()
        return [(axis.title.text, axis.showticklabels is not False) for axis in axes]

    name = "length [tokens]"
    assert said(2) == [(name, True), (name, True)]
    assert said(3) == [(None, True), (name, True), (None, True)]
    assert said(5)[:5] == [(None, False), (None, False), (None, True), (None, True), (name, True)]
