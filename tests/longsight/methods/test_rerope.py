"""ReRoPE as its author computes it."""

import torch

from longsight.methods import METHODS
from tests.longsight.methods.two_matrices import LENGTH, WINDOW, N, attention, author_scale, heads, logits, ours, turned


def test_far_keys_are_unrotated_and_seen_by_a_query_at_the_window():
    q, k, v = heads()
    near = logits(turned(q, torch.arange(N)), turned(k, torch.arange(N)))
    far = logits(turned(q, torch.full((N,), WINDOW)), turned(k, torch.zeros(N)))
    expected = attention(q, k, v, near, far, author_scale())
    torch.testing.assert_close(ours((q, k, v), METHODS["rerope"](window=WINDOW, log_n=LENGTH)), expected)
    unscaled = attention(q, k, v, near, far, torch.ones(N, dtype=torch.float64))
    torch.testing.assert_close(ours((q, k, v), METHODS["rerope"](window=WINDOW)), unscaled)


def test_the_author_scales_logits_by_default_from_the_trained_length_on():
    method = METHODS["rerope"].for_model(LENGTH, 4 * LENGTH)
    assert (method.window, method.log_n) == (LENGTH // 2, LENGTH)
    torch.testing.assert_close(method.logit_scale(torch.arange(N)), author_scale())
