"""Records check their arrays, and cannot be written to."""

from dataclasses import FrozenInstanceError, dataclass

import numpy as np
import pytest

from analysis.export.records import Record, array, value
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
