"""Every option says how it is asked for, and refuses what means nothing."""

import pytest

from analysis.diagnostics.options import DEFAULT, OPTIONS, PanelOptions
from analysis.diagnostics.panels import PANELS
from longsight.errors import LongSightError


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"smoothing": 0}, r"Smoothing \[tokens\]: 0 was asked for; 1 to 65,536 would work."),
        ({"smoothing": True}, r"Smoothing \[tokens\]: True was asked for"),
        ({"starting": 0}, "First tokens: 0 was asked for; 1 to 1,024 would work."),
        ({"cells": 513}, "Cells: 513 was asked for; 1 to 512 would work."),
        ({"mark": -1}, "Marked position: -1 was asked for; 0 or more would work."),
        ({"axes": 4}, "Dimensions: 4 was asked for; 2 or 3 would work."),
        ({"projection": "tsne"}, "Projection: 'tsne' was asked for; pca or umap would work."),
    ],
)
def test_options_that_mean_nothing_are_refused_before_anything_is_read(fields, said):
    with pytest.raises(LongSightError, match=said):
        PanelOptions(**fields)


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("layers", "0,2-4", (0, 2, 3, 4)), ("heads", "", None), ("queries", "5:9", (5, 9)), ("mark", "1,234", 1234),
        ("smoothing", "9", 9), ("projection", "umap", "umap"), ("axes", "3", 3),
    ],
)  # fmt: skip
def test_what_is_typed_becomes_a_value(name, text, value):
    assert OPTIONS[name].parse(name, text) == value


def test_an_option_that_no_panel_reads_would_be_dead_and_one_that_does_not_exist_a_slip():
    assert {name for panel in PANELS.values() for name in panel.reads} == set(OPTIONS)


def test_only_some_fields_are_kept():
    options = PanelOptions(layers=(1,), heads=(2,), mark=3)
    assert options.only(("layers",)) == PanelOptions(layers=(1,))
    assert options.only(()) == DEFAULT
    assert options.changed == ["layers", "heads", "mark"]
    assert options.one_head == (1, 2)
    assert options.only(("layers",)).one_head is None
