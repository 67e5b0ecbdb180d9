"""Results that anyone may bring: read when they are ours, and refused in one sentence when anything is not."""

import json
import shutil
from pathlib import Path

import pytest

from analysis.evaluation.results import FILE, MOST_CELLS, Results, read_rows
from analysis.evaluation.row import LARGEST, Row
from longsight.errors import LongSightError
from tests.analysis.evaluation.made_rows import ROW

SHIPPED = Path(__file__).resolve().parents[3] / "assets" / "results" / "embedded"


def written(*rows):
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


def changed(path, value):
    """The row with one field, given by its path, at another value; ... takes it away."""
    row = json.loads(json.dumps(ROW))
    *way, last = path.split(".")
    part = row
    for name in way:
        part = part[int(name) if name.isdigit() else name]
    if value is ...:
        del part[last]
    else:
        part[last] = value
    return row


def test_our_rows_are_read_as_they_are():
    other = ROW | {"cell": "another"}
    assert [json.loads(row.line()) for row in read_rows(written(ROW, other), FILE)] == [ROW, other]
    assert [json.loads(row.line()) for row in read_rows(written(ROW)[:-1], FILE)] == [ROW]
    assert read_rows(written(changed("refused", "No.")), FILE)[0].refused == "No."


def test_a_file_of_ours_is_written_again_byte_for_byte(tmp_path):
    shutil.copy(SHIPPED / FILE, tmp_path)
    results = Results(tmp_path)
    assert len(results.rows) > 900
    results.settle()
    assert (tmp_path / FILE).read_bytes() == (SHIPPED / FILE).read_bytes()


def test_numbers_stay_as_they_are_whole_or_not():
    (row,) = read_rows(written(changed("cases.0.scores", {"a": 2, "b": 2.0, "c": None})), FILE)
    assert b'"scores": {"a": 2, "b": 2.0, "c": null}' in row.line()


def test_a_row_cannot_be_changed():
    row = Row.model_validate_json(written(ROW))
    with pytest.raises(ValueError, match="frozen"):
        row.length = 3


@pytest.mark.parametrize(
    ("path", "value", "sentence"),
    [
        ("length", "400", "line 1 is not a cell; length: Input should be a valid integer"),
        ("length", 0, "line 1 is not a cell; length: Input should be greater than or equal to 1"),
        ("seed", ..., "line 1 is not a cell; seed: Field required"),
        ("model.extra", 1, "line 1 is not a cell; model.extra: Extra inputs are not permitted"),
        ("model.train_length", None, "line 1 is not a cell; model.train_length: Input should be a valid integer"),
        ("method.reach", -1, "line 1 is not a cell; method.reach"),
        ("method.text", "magic:a=1", "there is no method 'magic:a=1'"),
        ("method.key", "window", "there is no method 'self-extend:group=4,window=16'"),
        ("method.text", "self-extend:magic=1", "SelfExtend has no parameter 'magic'"),
        ("task.key", "magic", "there is no task"),
        ("task.text", "passkey:magic=1", "Passkey has no option 'magic'"),
        (
            "cases.0.scores",
            {"found": "much"},
            "line 1 is not a cell; cases.0.scores.found: Input should be a valid number",
        ),
        ("scores", {"found": float("nan")}, "line 1 is not a cell; scores.found: Input should be a finite number"),
        ("scores", {"found": LARGEST + 1}, "line 1 is not a cell; scores.found: Input should be a finite number"),
        ("scores", {"found": True}, "line 1 is not a cell; scores.found: Input should be a valid number"),
        ("method.text", "w" * 2001, "line 1 is not a cell; method.text: String should have at most 2000 characters"),
        ("cases.0.facts", {"depth": 0.5}, "line 1: these are no facts of a case of passkey; value: Field required"),
        ("run.machine", "a laptop", "line 1 is not a cell; run.machine"),
    ],
)
def test_a_field_that_is_not_ours_is_named(path, value, sentence):
    with pytest.raises(LongSightError, match=sentence):
        read_rows(written(changed(path, value)), "results.jsonl")


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "has 0 cells"),
        (b"PK\x03\x04", "line 1 is not a cell"),
        (b"\xff\xfe{}", "line 1 is not a cell"),
        (b"[1, 2]", "line 1 is not a cell"),
        (b"3", "line 1 is not a cell"),
        (b"{}\n" * 3, "line 1 is not a cell"),
        (b"[" * 100_000, "line 1 is not a cell"),
        (written(*(ROW | {"cell": str(n)} for n in range(MOST_CELLS + 1))), "1 to 5,000 are opened here"),
        (b"x" * 20_000_001, "20,000,001 bytes"),
    ],
)
def test_another_file_is_refused(content, sentence):
    with pytest.raises(LongSightError, match=sentence):
        read_rows(content, "other.txt")
