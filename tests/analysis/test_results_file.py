"""Results that anyone may bring: read when they are ours, and refused in one sentence when anything is not."""

import json

import pytest

from analysis.evaluation.results_file import MOST_CELLS, read_rows
from longsight.errors import LongSightError

ROW = {
    "cell": "0123456789abcdef",
    "model": {
        "name": "tiny", "source": "models/tiny", "digest": "", "train_length": 32, "positions": "rope",
        "parameters": 1000, "dtype": "torch.float32",
    },
    "method": {
        "key": "self-extend", "text": "self-extend:group=4,window=16", "caption": "SelfExtend (group=4, window=16)",
        "parameters": {"log_n": 0, "group": 4, "window": 16}, "reach": 80, "sight": None,
    },
    "task": {"key": "passkey", "text": "passkey:depths=2", "options": {"kind": "single", "depths": 2}},
    "length": 400,
    "trials": 1,
    "seed": 0,
    "refused": None,
    "cases": [
        {"tokens": 376, "answers": ["12345"], "said": "12345", "scores": {"found": 1.0}, "facts": {"depth": 0.0}}
    ],
    "scores": {"found": 1.0},
    "run": {
        "started": "2026-01-01T00:00:00+00:00", "seconds": 1.5, "cost": [{"seconds": 1.0}],
        "machine": {"device": "cpu", "name": "x86_64", "threads": 1, "system": "Linux"}, "versions": {"python": "3.11"},
    },
}  # fmt: skip


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
    assert read_rows(written(ROW, other), "results.jsonl") == [ROW, other]
    assert read_rows(written(ROW)[:-1], "results.jsonl") == [ROW]
    assert read_rows(written(changed("refused", "No.")), "results.jsonl")[0]["refused"] == "No."


@pytest.mark.parametrize(
    ("path", "value", "sentence"),
    [
        ("length", "400", "line 1, length: Input should be a valid integer"),
        ("length", 0, "line 1, length: Input should be greater than or equal to 1"),
        ("seed", ..., "line 1 is not a cell"),
        ("model.extra", 1, "line 1, model.extra: Extra inputs are not permitted"),
        ("model.train_length", None, "line 1, model.train_length: Input should be a valid integer"),
        ("method.reach", -1, "line 1, method.reach"),
        ("method.text", "magic:a=1", "there is no method 'magic:a=1'"),
        ("method.key", "window", "there is no method 'self-extend:group=4,window=16'"),
        ("method.text", "self-extend:magic=1", "SelfExtend has no parameter 'magic'"),
        ("task.key", "magic", "there is no task"),
        ("task.text", "passkey:magic=1", "Passkey has no option 'magic'"),
        ("cases.0.scores", {"found": "much"}, "line 1, cases.0.scores.found"),
        ("scores", {"found": float("nan")}, "line 1, scores.found: Input should be a finite number"),
        ("run.machine", "a laptop", "line 1, run.machine"),
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
