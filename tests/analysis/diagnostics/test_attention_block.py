"""Weights and entropy where a learned sink takes its share."""

import torch

from analysis.diagnostics.attention_block import make_view
from longsight.attention.observer import Observer
from longsight.generation.prefill import watch
from longsight.methods import METHODS
from tests.longsight import tiny
from tests.longsight.matrix import variants


class Views(Observer):
    """Looks at every layer as probes do, beside a softmax with one more column."""

    def __init__(self):
        self.layers = []

    def attention(self, step):
        (block,) = step.blocks()
        view = make_view(step.layer, 0, block, None, None)
        column = step.sinks[:, None, None].expand(*block.logits.shape[:2], 1)
        shares = torch.cat((block.logits, column), dim=-1).softmax(-1)
        torch.testing.assert_close(view.weights, shares[..., :-1])
        torch.testing.assert_close(view.entropy, torch.special.entr(shares).sum(-1), atol=1e-5, rtol=1e-4)
        torch.testing.assert_close(view.over_heads(), shares[..., :-1].sum(0))
        self.layers.append((step.layer, step.method.key, float(shares[..., -1].min())))


def test_a_sink_is_one_more_outcome_and_no_key():
    model, views = variants.adopted("gpt_oss"), Views()
    with torch.no_grad():
        list(watch(model, tiny.ids(30), METHODS["lm-infinite"](window=16, starting=3), views, chunk=30))
    assert [layer[:2] for layer in views.layers] == [(0, "window"), (1, "lm-infinite")]
    assert all(least > 1e-4 for _, _, least in views.layers)
