"""Records check their arrays, cannot be written to, and survive a file."""

import csv
import io
import json
from dataclasses import FrozenInstanceError, dataclass

import numpy as np
import pytest

from analysis.export.files import from_npz, to_csv, to_json, to_npz
from analysis.records import Record, array, value
from longsight.errors import LongSightError


@dataclass(frozen=True, eq=False)
class Entropy(Record):
    entropy: np.ndarray = array("layer token", "attention entropy", "nats")
    token: np.ndarray = array("token", "the token's text")
    method: str = value("key of the method")
    heads: tuple[str, ...] = value("names of the heads")


@dataclass(frozen=True, eq=False)
class TwoTables(Record):
    entropy: np.ndarray = array("layer token", "attention entropy", "nats")
    loss: np.ndarray = array("step", "loss", "nats")


def entropy(**changes):
    values = {"entropy": np.array([[0.5, np.nan, 2.0], [1.0, 1.25, 3.0]]), "token": np.array(["a", 'say "b"', "c"])}
    return Entropy(**(values | {"method": "vanilla", "heads": ("h0", "h1")} | changes))


def test_wrong_number_of_axes_is_refused_with_the_shape():
    with pytest.raises(LongSightError, match=r"Entropy\.entropy has the axes \(layer, token\), but .* shape \(3,\)"):
        entropy(entropy=np.zeros(3))


def test_arrays_that_disagree_on_an_axis_are_refused_with_both_sizes():
    with pytest.raises(LongSightError, match="Entropy.token has 2 along 'token', but entropy has 3"):
        entropy(token=np.array(["a", "b"]))


def test_arrays_of_python_objects_are_refused():
    with pytest.raises(LongSightError, match=r"Entropy\.token must hold numbers or strings"):
        entropy(token=np.array(["a", None, "c"], dtype=object))


def test_nothing_in_a_record_can_be_written_to_while_the_callers_array_stays_free():
    mine = np.zeros((1, 3))
    record = entropy(entropy=mine)
    with pytest.raises(ValueError, match="read-only"):
        record.entropy[0, 0] = 1
    with pytest.raises(FrozenInstanceError):
        record.method = "window"
    mine[0, 0] = 1


def test_records_are_equal_when_all_fields_are_and_nan_equals_nan():
    assert entropy() == entropy()
    assert entropy() != entropy(method="window")
    assert entropy() != entropy(token=np.array(["a", "b", "c"]))
    assert entropy() != "entropy"


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
