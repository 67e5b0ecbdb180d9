"""Records of the size of a long text, made up; and what every figure of them has to keep to."""

import numpy as np

from analysis.runs import make_runs
from longsight.methods import METHODS

N, LAYERS, HEADS, TRAINED = 32_768, 6, 5, 512
LONGEST = "a token of the longest kind"
RNG = np.random.default_rng(0)
ONE = make_runs([METHODS["vanilla"]()])
THREE = make_runs([METHODS["vanilla"](), *(METHODS["self-extend"](group=group, window=64) for group in (4, 16))])


def header(method="vanilla", n=N):
    return {
        "model": "m", "method": method, "caption": f"{method} (a=1)", "parameters": {"a": 1}, "n": n, "unread": 0,
        "train_length": TRAINED,
    }  # fmt: skip


def queries(method="vanilla", n=N, layers=LAYERS):
    position = np.arange(n)
    return header(method, n) | {
        "sampling": "Every query was measured.", "layer": np.arange(layers), "position": position,
        "token": np.array([LONGEST] * n), "keys": np.broadcast_to(position + 1, (layers, n)),
    }  # fmt: skip


def noise(*shape, scale=1.0):
    return (scale * RNG.random(shape)).astype(np.float32)


def check_figure(figure):
    """It stays small, the page shines through, and its axes say what they are."""
    assert len(figure.to_json()) < 2_000_000
    assert figure.layout.paper_bgcolor == figure.layout.plot_bgcolor == "rgba(0, 0, 0, 0)"
    axes = [axis for axis in (*figure.select_xaxes(), *figure.select_yaxes()) if axis.showticklabels is not False]
    assert [axis for axis in axes if not axis.title.text] == []
    assert set(figure.layout.meta) <= {"x", "y", "pooled"}
