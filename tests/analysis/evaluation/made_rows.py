"""Rows and tables of results that nobody measured, for tests of what is made of them."""

import numpy as np

from analysis.evaluation.row import Row
from analysis.evaluation.score_table import ScoreTable

KEYS = ("vanilla", "lm-infinite", "self-extend")

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
        {"tokens": 376, "answers": ["12345"], "said": "12345", "scores": {"found": 1.0},
         "facts": {"depth": 0.0, "value": "12345", "question": "What is the pass key?", "statement": [4, 30],
                   "tokens": [8, 9]}}
    ],
    "scores": {"found": 1.0},
    "run": {
        "started": "2026-01-01T00:00:00+00:00", "seconds": 1.5, "cost": [{"seconds": 1.0}],
        "machine": {"device": "cpu", "name": "x86_64", "threads": 1, "system": "Linux"}, "versions": {"python": "3.11"},
    },
}  # fmt: skip
"""A row as JSON holds it."""


def made_row(method="vanilla", task="passkey", length=400, **changes):
    """A row of a method and a task given as text; `changes` are fields of the row or of its model."""
    model = ROW["model"] | {name: changes.pop(name) for name in ROW["model"] if name in changes}
    options = changes.pop("options", {})
    named = {
        "method": ROW["method"] | {"key": method.partition(":")[0], "text": method},
        "task": ROW["task"] | {"key": task.partition(":")[0], "text": task, "options": options},
    }
    return Row.model_validate(ROW | named | {"model": model, "length": length} | changes, strict=False)


def made_table(values, lengths=(256, 512, 1024, 4096), labels=("Vanilla", "LM-Infinite", "SelfExtend")):
    values = np.array(values, dtype=float)
    return ScoreTable(
        model="m", task="t", score="s", train_length=512,
        method=np.array(KEYS[: len(values)]),
        text=np.array(KEYS[: len(values)]), label=np.array(labels[: len(values)]),
        length=np.array(lengths), value=values, cases=np.ones(values.shape, dtype=int),
    )  # fmt: skip
