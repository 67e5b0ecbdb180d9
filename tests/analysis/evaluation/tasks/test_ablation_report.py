"""The halves of LM-Infinite, beside the paper's figure 5."""

import numpy as np

from analysis.evaluation.tasks.ablation_report import BandCurve, ablation_comment
from longsight.methods import METHODS


def test_the_ablation_says_where_it_differs_from_the_paper():
    bands = {
        "vanilla": [3, 3, 6, 8],
        "window": [3, 3, 3, 3.1],
        "ceiling": [3, 3, 3.3, 3.6],
        "lm-infinite": [3] * 4,
    }
    curves = [BandCurve(key, METHODS[key].title, np.array(values, float)) for key, values in bands.items()]
    said = ablation_comment(curves, 256, 512)
    assert "Vanilla breaks (+4.00 nats)" in said
    assert "Ceiling only drifts up (+0.45 nats)" in said
    assert said.endswith("LM-Infinite stays flat, as in the paper. Unlike there, also flat at this length: Window.")
    assert "LM-Infinite does not stay flat here" in ablation_comment(curves[:3], 256, 512)
