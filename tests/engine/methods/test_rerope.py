"""ReRoPE as its author computes it: two matrices of logits, chosen between by distance; in float64, written anew."""

import math

import pytest
import torch

from engine.attention import plain
from engine.methods import METHODS
from engine.rope import Rotary

N, CHANNELS, LENGTH, WINDOW = 60, 8, 32, 12
THETA = 1e4 ** (-torch.arange(0, CHANNELS, 2, dtype=torch.float64) / CHANNELS)


def turned(x, positions):
    """Rotate channel pairs (f, f + half) as complex numbers."""
    z = torch.complex(x[..., : CHANNELS // 2], x[..., CHANNELS // 2 :])
    return z * torch.exp(1j * positions[:, None] * THETA)


def logits(q, k):
    return torch.einsum("bhic,bhjc->bhij", q, k.conj()).real / math.sqrt(CHANNELS)


def attention(q, k, v, near, far, scale):
    """softmax over `near` where d < WINDOW, over `far` elsewhere, rows multiplied by `scale`."""
    d = torch.arange(N)[:, None] - torch.arange(N)[None]
    chosen = torch.where(d < WINDOW, near, far) * scale[:, None]
    return chosen.masked_fill(d < 0, -torch.inf).softmax(-1) @ v


@pytest.fixture
def heads():
    make = torch.Generator().manual_seed(0)
    return tuple(torch.randn(1, 2, N, CHANNELS, generator=make, dtype=torch.float64) for _ in range(3))


def ours(heads, method):
    i = torch.arange(N)
    return plain(*heads, i, i, method, Rotary(THETA), scaling=CHANNELS**-0.5)


def author_scale():
    """`((position_ids + 1).log() / log(training_length)).clip(1)`."""
    return torch.tensor([max(1.0, math.log(i + 1) / math.log(LENGTH)) for i in range(N)], dtype=torch.float64)


def test_far_keys_are_unrotated_and_seen_by_a_query_at_the_window(heads):
    q, k, v = heads
    near = logits(turned(q, torch.arange(N)), turned(k, torch.arange(N)))
    far = logits(turned(q, torch.full((N,), WINDOW)), turned(k, torch.zeros(N)))
    expected = attention(q, k, v, near, far, author_scale())
    torch.testing.assert_close(ours(heads, METHODS["rerope"](window=WINDOW, log_n=LENGTH)), expected)
    unscaled = attention(q, k, v, near, far, torch.ones(N, dtype=torch.float64))
    torch.testing.assert_close(ours(heads, METHODS["rerope"](window=WINDOW)), unscaled)


@pytest.mark.parametrize("slope", [1.0, 2.0, 3.5, 16])
def test_leaky_far_positions_advance_by_one_slopeth(heads, slope):
    q, k, v = heads
    position = torch.arange(N, dtype=torch.float64)
    near = logits(turned(q, position), turned(k, position))
    far = logits(turned(q, position / slope + WINDOW * (1 - 1 / slope)), turned(k, position / slope))
    expected = attention(q, k, v, near, far, torch.ones(N, dtype=torch.float64))
    torch.testing.assert_close(ours(heads, METHODS["leaky-rerope"](window=WINDOW, slope=slope)), expected)


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


def test_the_author_scales_logits_by_default_from_the_trained_length_on():
    method = METHODS["rerope"].for_model(LENGTH, 4 * LENGTH)
    assert (method.window, method.log_n) == (LENGTH // 2, LENGTH)
    torch.testing.assert_close(method.logit_scale(torch.arange(N)), author_scale())


@pytest.mark.parametrize("target", [64, 100, 1000])
def test_the_leaky_defaults_just_reach_the_text(target):
    method = METHODS["leaky-rerope"].for_model(LENGTH, target)
    assert method.reach(LENGTH) >= target
    assert METHODS["leaky-rerope"](window=method.window, slope=method.slope - 1).reach(LENGTH) < target
