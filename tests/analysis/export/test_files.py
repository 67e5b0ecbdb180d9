"""Records survive their files, and the files say what they hold."""

import csv
import io
import json
from dataclasses import dataclass

import numpy as np
import pytest

from analysis.export.files import from_npz, to_csv, to_json, to_npz
from analysis.export.records import Record, array
from longsight.errors import LongSightError
from tests.analysis.export.test_records import Entropy, TwoTables, entropy


def test_npz_reads_back_equal_and_knows_its_type():
    stored = to_npz(entropy())
    assert from_npz(Entropy, stored) == entropy()
    with pytest.raises(LongSightError, match="A TwoTables was asked for, but the file holds a Entropy"):
        from_npz(TwoTables, stored)


def test_npz_reads_back_from_a_file(tmp_path):
    path = tmp_path / "entropy.npz"
    path.write_bytes(to_npz(entropy()))
    assert from_npz(Entropy, path) == entropy()


def test_csv_has_names_and_units_and_one_row_per_cell():
    lines = to_csv(entropy()).splitlines()
    assert lines[:2] == ['# method: "vanilla"', '# heads: ["h0", "h1"]']
    head, *rows = csv.reader(io.StringIO("\n".join(lines[2:])))
    assert head == ["layer index", "token index", "entropy [nats]", "token"]
    assert rows[:3] == [["0", "0", "0.5", "a"], ["0", "1", "", 'say "b"'], ["0", "2", "2", "c"]]
    assert len(rows) == 6


def test_csv_repeats_smaller_arrays_along_the_right_axis():
    """The smaller array shares the *first* axis here, so that a wrong broadcast would show."""

    @dataclass(frozen=True, eq=False)
    class PerLayer(Record):
        name: np.ndarray = array("layer", "name of the layer")
        norm: np.ndarray = array("layer token", "norm")

    text = to_csv(PerLayer(name=np.array(["x", "y"]), norm=np.arange(4).reshape(2, 2)))
    assert text.splitlines()[1:] == ["0,0,x,0", "0,1,x,1", "1,0,y,2", "1,1,y,3"]


def test_csv_of_two_tables_names_the_odd_one():
    with pytest.raises(LongSightError, match=r"TwoTables is no single table: loss has axes besides \(layer, token\)"):
        to_csv(TwoTables(entropy=np.zeros((1, 2)), loss=np.zeros(4)))


def test_json_is_strict_and_describes_every_array():
    read = json.loads(to_json(entropy()), parse_constant=pytest.fail)
    assert read["record"] == "Entropy"
    assert read["method"] == "vanilla"
    assert read["arrays"]["entropy"] == {
        "axes": ["layer", "token"],
        "meaning": "attention entropy",
        "unit": "nats",
        "values": [[0.5, None, 2.0], [1.0, 1.25, 3.0]],
    }
