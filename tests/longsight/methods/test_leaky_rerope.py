"""Leaky ReRoPE as its author computes it, and between vanilla and ReRoPE."""

import pytest
import torch

from longsight.methods import METHODS
from tests.longsight.methods.two_matrices import LENGTH, WINDOW, N, attention, heads, logits, ours, turned


@pytest.mark.parametrize("slope", [2.0, 3.5])
def test_leaky_far_positions_advance_by_one_slopeth(slope):
    q, k, v = heads()
    position = torch.arange(N, dtype=torch.float64)
    near = logits(turned(q, position), turned(k, position))
    far = logits(turned(q, position / slope + WINDOW * (1 - 1 / slope)), turned(k, position / slope))
    expected = attention(q, k, v, near, far, torch.ones(N, dtype=torch.float64))
    torch.testing.assert_close(ours((q, k, v), METHODS["leaky-rerope"](window=WINDOW, slope=slope)), expected)


def test_the_distance_does_not_jump_at_the_window():
    i, j = torch.tensor([[200]]), torch.arange(201)
    for method in (METHODS["rerope"](window=WINDOW), METHODS["leaky-rerope"](window=WINDOW, slope=4)):
        steps = method.distance(i, j).double()[0].diff().neg()
        assert float(steps.max()) == 1
        assert float(steps.min()) == (0 if method.key == "rerope" else 0.25)


def test_a_slope_of_one_is_vanilla_and_an_endless_one_is_rerope():
    i, j = torch.arange(100)[:, None], torch.arange(100)[None]
    endless = METHODS["leaky-rerope"](window=WINDOW, slope=1e9)
    torch.testing.assert_close(
        METHODS["leaky-rerope"](window=WINDOW, slope=1).distance(i, j).tril(), (i - j).double().tril()
    )
    torch.testing.assert_close(
        endless.distance(i, j).tril(),
        METHODS["rerope"](window=WINDOW).distance(i, j).double().tril(),
        atol=1e-6,
        rtol=0,
    )


@pytest.mark.parametrize("target", [64, 1000])
def test_the_leaky_defaults_just_reach_the_text(target):
    method = METHODS["leaky-rerope"].for_model(LENGTH, target)
    assert method.reach(LENGTH) >= target
    assert METHODS["leaky-rerope"](window=method.window, slope=method.slope - 1).reach(LENGTH) < target
