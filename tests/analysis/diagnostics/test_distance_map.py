"""Distance maps say what the methods do, on any length of text."""

import csv
import io
import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch

from analysis.diagnostics.distance_map import (
    DistanceMap,
    colour_scale,
    distance_figure,
    distance_map,
    sampled_positions,
)
from analysis.export.files import from_npz, to_csv, to_npz
from longsight.errors import LongSightError
from longsight.methods import METHODS

TRAINED, LONG = 64, 300
LONG_TRAINED = 512
METHODS_THAT_CUT = {"truncation"}
FREQUENCIES = torch.tensor(
    [500_000 ** (-f / 8) for f in range(8)], dtype=torch.float64
)  # another model's than the map's


def made(key, n=LONG):
    return METHODS[key].for_model(TRAINED, n)


def drawn(record):
    """The map as text: '.' where hidden."""
    rows = ["".join("." if np.isnan(v) else f"{v:.0f}" for v in row) for row in record.effective]
    return "\n".join(rows)


def test_lm_infinite_is_the_map_of_the_authors_code():
    record = distance_map(METHODS["lm-infinite"](window=4, starting=2), 9, 4)
    assert drawn(record).split() == (
        "0........ 10....... 210...... 3210..... 43210.... 443210... 44.3210.. 44..3210. 44...3210".split()
    )


def test_self_extend_is_the_map_of_the_authors_code():
    record = distance_map(METHODS["self-extend"](group=2, window=4), 9, 4)
    assert drawn(record).split() == (
        "0........ 10....... 210...... 3210..... 43210.... 443210... 5543210.. 55443210. 665543210".split()
    )


def test_truncation_hides_the_rows_and_columns_it_never_reads():
    record = distance_map(METHODS["truncation"](length=3), 6, 64)
    assert drawn(record) == "......\n......\n......\n...0..\n...10.\n...210"
    assert record.key_position.tolist() == [0, 1, 2, 3, 4, 5]


@pytest.mark.parametrize("key", METHODS)
@pytest.mark.parametrize("n", [1, 63, 64, 65, LONG])
def test_every_cell_is_what_the_law_says_pair_by_pair(key, n):
    """Against the method asked about one pair of Python numbers at a time."""
    method = made(key, n)
    for group, rule in enumerate(method.head_rules or (method,)):
        check_cells(distance_map(method, n, TRAINED, 20, group if method.head_rules else None), rule, n)


def check_cells(record, method, n):
    unread = n - method.keeps(n)
    for row, i in enumerate(record.query_position.tolist()):
        for column, j in enumerate(record.key_position.tolist()):
            query, k = torch.tensor(i - unread), torch.tensor(j - unread)
            seen = j >= unread and i >= unread and bool(method.visible(query, k))
            assert record.visible[row, column] == seen
            assert np.isnan(record.effective[row, column]) != seen
            if seen:
                slowed = method.inv_freq(FREQUENCIES, method.length_at(query))[-1] / FREQUENCIES[-1]
                told = float(method.distance(query, k).reshape(-1)[-1])  # of groups of frequencies the slowest
                assert record.effective[row, column] == pytest.approx(told * float(slowed))
                band = method.bands[record.band[row, column]]
                assert bool(band.visible(query, k))
                assert float(band.distance(query, k).reshape(-1)[-1]) == pytest.approx(told)


@pytest.mark.parametrize("key", METHODS)
def test_reach_and_unseen_distances_agree(key):
    """Inside its reach a method tells no unseen distance, far past a finite reach it does."""
    method = made(key)
    reach = method.reach(TRAINED)
    assert not distance_map(method, reach or 100 * LONG, TRAINED, cells=512).unseen.any()
    if reach is not None and method.longest is None:
        assert distance_map(method, 2 * reach, TRAINED, cells=512).unseen.any()


def test_a_text_that_is_too_long_for_the_method_has_no_map():
    with pytest.raises(LongSightError, match="made for texts of at most 64 tokens, and this one has 65"):
        distance_map(METHODS["lampe"](head=4, use=16, length=64), 65, TRAINED)


@pytest.mark.parametrize("key", ["position-interpolation", "ntk", "yarn"])
def test_stretching_methods_divide_distances_by_their_scale(key):
    """By the papers' own aim: at `scale` times the length, the slowest rotation has turned as far as in training."""
    method = METHODS[key].for_model(TRAINED, 4 * TRAINED)
    record = distance_map(method, 100, TRAINED)
    assert np.allclose(record.effective[99], np.arange(99, -1, -1) / 4)
    assert ("slowed by its own factor" in record.note) == (key != "position-interpolation")


def test_dynamic_ntk_divides_distances_by_the_length_so_far():
    record = distance_map(METHODS["dynamic-ntk"](length=TRAINED, step=1), 4 * TRAINED, TRAINED)
    assert np.allclose(
        record.effective[:, 0], np.minimum(np.arange(256), np.arange(256) * TRAINED / (np.arange(256) + 1))
    )


def test_vanilla_is_unseen_exactly_past_the_trained_length():
    record = distance_map(made("vanilla"), LONG, TRAINED, cells=512)
    assert np.array_equal(record.unseen, record.distance > TRAINED)
    assert record.unseen.any()


@pytest.mark.parametrize("n", [2, 255, 256, 257, 1000, 10_000_000])
@pytest.mark.parametrize("cells", [2, 256, 512])
def test_sampling_keeps_both_ends_and_the_order(n, cells):
    positions = sampled_positions(n, cells)
    assert len(positions) == min(n, cells)
    assert (positions[0], positions[-1]) == (0, n - 1)
    steps = np.diff(positions)
    assert steps.min() >= 1
    assert steps.max() - steps.min() <= 1


@pytest.mark.parametrize("key", [key for key in METHODS if key not in METHODS_THAT_CUT])
def test_a_map_of_ten_million_tokens_keeps_diagonal_and_small(key):
    record = distance_map(made(key, 10_000_000), 10_000_000, TRAINED)
    assert record.effective.shape == (256, 256)
    assert np.array_equal(np.diag(record.effective), np.zeros(256))
    assert record.tokens_per_cell == 39062.5
    assert "39,062.5 x 39,062.5 tokens" in record.pooling
    assert not record.exact


def test_the_starting_tokens_stay_in_sight_on_a_long_text():
    record = distance_map(made("lm-infinite"), 1_000_000, TRAINED)
    assert record.visible[:, 0].all()
    assert record.effective[-1, 0] == TRAINED
    assert not record.visible[-1, 1:-1].any()


def test_scaled_logits_are_named_as_not_drawn():
    note = distance_map(METHODS["vanilla"](log_n=64), 4096, TRAINED).note
    assert note == "Not drawn: the logits of the last query are multiplied by 2."  # ln 4096 / ln 64
    assert distance_map(METHODS["vanilla"](log_n=64), 64, TRAINED).note == ""


def test_fetched_keys_are_named_as_not_drawn():
    method = METHODS["lm-infinite"](window=64, starting=4, top_k=5, from_layer=2, insert_at=32)
    assert "from 2 on, each head also fetches 5 of the hidden keys and sees them at distance 32" in (
        distance_map(method, LONG, TRAINED).note
    )
    assert distance_map(made("vanilla"), LONG, TRAINED).note == ""


@pytest.mark.parametrize(("n", "cells", "said"), [(0, 256, "0 tokens"), (9, 1, "1 cells"), (9, 513, "513 cells")])
def test_bad_sizes_are_refused_with_what_would_work(n, cells, said):
    with pytest.raises(LongSightError, match=f"{said} .* would work"):
        distance_map(made("vanilla"), n, TRAINED, cells)


@pytest.mark.parametrize("key", METHODS)
def test_a_map_survives_its_file(key, tmp_path: Path):
    record = distance_map(made(key), LONG, TRAINED)
    assert from_npz(DistanceMap, to_npz(record)) == record


def test_the_table_of_a_map_is_for_people():
    record = distance_map(METHODS["window"](window=2), 5, 2)
    text = "\n".join(line for line in to_csv(record).splitlines() if not line.startswith("#"))
    rows = list(csv.DictReader(io.StringIO(text)))
    assert len(rows) == 25
    seen = [row for row in rows if row["band"] == "window"]
    assert [(row["query_position [tokens]"], row["key_position [tokens]"]) for row in seen[:3]] == [
        ("0", "0"),
        ("1", "0"),
        ("1", "1"),
    ]
    assert all(row["effective [tokens]"] == row["distance [tokens]"] for row in seen)
    assert all(row["effective [tokens]"] == "" for row in rows if row["band"] == "")


@pytest.mark.parametrize("cells", [256, 512])
@pytest.mark.parametrize("key", METHODS)
def test_a_map_of_millions_of_tokens_stays_under_two_megabytes(key, cells):
    n = 20_000_000
    figure = distance_figure(distance_map(METHODS[key].for_model(LONG_TRAINED, n), n, LONG_TRAINED, cells))
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


def test_the_upward_title_makes_room_for_the_numbers_beside_it():
    axis = distance_figure(distance_map(METHODS["vanilla"](), 400, 4)).layout.yaxis
    assert axis.automargin
    assert axis.title.standoff


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
        distance_figure(distance_map(METHODS[key].for_model(LONG_TRAINED, n), n, LONG_TRAINED)).data[0]
        for key in METHODS
        for n in (100, 3000)
    ]
    assert len({json.dumps([f.zmin, f.zmax, f.colorscale]) for f in figures}) == 1
    edge = colour_scale(LONG_TRAINED)[1][0] * figures[0].zmax
    assert LONG_TRAINED < edge < LONG_TRAINED + 1


def test_figures_have_no_background_of_their_own():
    layout = distance_figure(distance_map(METHODS["vanilla"](), 10, 4)).layout
    assert layout.paper_bgcolor == layout.plot_bgcolor == "rgba(0, 0, 0, 0)"
