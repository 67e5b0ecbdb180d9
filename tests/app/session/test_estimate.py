"""Estimates follow what was measured; the count of pairs is the method's own."""

import numpy as np
import pytest
import torch

from app.session import devices, estimate
from app.session.estimate import Forecast, Speed, pairs
from longsight.errors import LongSightError
from longsight.methods import METHODS


@pytest.mark.parametrize("key", METHODS)
@pytest.mark.parametrize(("tokens", "reused"), [(1, 0), (300, 0), (300, 250)])
def test_pairs_are_those_that_the_method_calls_visible(key, tokens, reused):
    method = METHODS[key].for_model(32, tokens)
    kept = method.keeps(tokens)
    i, j = torch.arange(reused if kept == tokens else 0, kept)[:, None], torch.arange(kept)[None, :]
    assert pairs(method, tokens, reused) == pytest.approx(int(method.visible(i, j).sum()), rel=0.01)


def test_layers_with_a_rule_of_their_own_count_by_it():
    whole, window = METHODS["vanilla"](), METHODS["window"](window=5)
    expected = (3 * pairs(window, 300) + pairs(whole, 300)) / 4
    assert pairs(whole, 300, rules=(window, window, whole, window)) == pytest.approx(expected)


def test_nothing_is_left_to_compute_when_everything_is_reused():
    assert pairs(METHODS["vanilla"](), 10, 10) == 0


def test_speed_finds_both_rates_again():
    speed = Speed()
    assert speed.seconds(10, 10) is None
    for tokens, seen in ((500, 1e4), (4000, 1e6), (4000, 8e6)):
        speed.add(tokens, seen, 2e-4 * tokens + 3e-8 * seen)
    assert speed.seconds(1e5, 5e9) == pytest.approx(20 + 150, rel=1e-6)


def test_noise_never_makes_time_negative():
    speed, random = Speed(), np.random.default_rng(0)
    for _ in range(10):
        tokens, seen = random.uniform(100, 5000), random.uniform(1e4, 1e7)
        speed.add(tokens, seen, float(random.uniform(0.01, 2)))
    assert speed.seconds(1e6, 0) >= 0
    assert speed.seconds(0, 1e9) >= 0


def test_measuring_takes_place_once(model):
    assert list(estimate.measure_steps(model))
    assert len(estimate.speed(model).samples) == len(estimate.TRIALS)
    assert list(estimate.measure_steps(model)) == []
    assert estimate.speed(model).seconds(1000, 1e6) > 0


def test_time_left_counts_that_late_tokens_cost_more(model):
    estimate.speed(model).add(1000, 1.0, 1e-9)
    estimate.speed(model).add(1000, 1e6, 1.0)  # all the time goes into pairs
    forecast = Forecast(model, METHODS["vanilla"](), 10_000)
    quarter = forecast.seconds / 4  # a quarter of the pairs lies behind
    assert forecast.left(5_000, quarter) == pytest.approx(3 * quarter, rel=0.01)
    assert forecast.left(5_000, 2 * quarter) == pytest.approx(6 * quarter, rel=0.2)
    assert forecast.left(10_000, 40.0) == pytest.approx(0, abs=0.5)


def test_a_slow_first_step_does_not_make_a_reading_ten_times_as_long(model):
    estimate.speed(model).add(1000, 1.0, 1.0)
    forecast = Forecast(model, METHODS["vanilla"](), 40_000)
    assert forecast.left(100, 1.5) < 2 * forecast.seconds
    assert forecast.left(20_000, 10 * forecast.seconds) > 5 * forecast.seconds


def test_a_method_that_cuts_the_prompt_is_forecast_to_read_what_it_keeps(model):
    assert Forecast(model, METHODS["truncation"](length=32), 500, reused=20).tokens == 32


def test_a_slow_model_is_measured_on_shorter_texts(model, monkeypatch):
    monkeypatch.setattr(estimate, "TRIAL_SECONDS", 1e-9)
    assert list(estimate.measure_steps(model))
    assert [tokens for tokens, _, _ in estimate.speed(model).samples] == [512, 512, 512]


def test_what_others_are_still_to_fill_is_not_to_be_had(model, monkeypatch):
    monkeypatch.setattr(devices, "free_bytes", lambda device: 10_000_000)
    vanilla = METHODS["vanilla"]()
    tokens = estimate.longest(model, vanilla, 10**6, 4_000_000)
    assert estimate.fits(model, vanilla, tokens)
    left = [9_000_000]
    with estimate.claimed(model.device, lambda: left[0]):
        assert not estimate.fits(model, vanilla, tokens)
        left[0] = 1_000_000
        assert estimate.fits(model, vanilla, tokens)
    assert estimate.fits(model, vanilla, tokens)


def test_a_method_that_would_fit_but_take_hours_is_not_recommended(model, monkeypatch):
    monkeypatch.setattr(devices, "free_bytes", lambda device: 200_000)
    vanilla = METHODS["vanilla"]()
    with pytest.raises(LongSightError, match=r"Give a shorter text, or choose .*LM-Infinite"):
        estimate.check_memory(model, vanilla, 100_000)
    estimate.speed(model).add(1, 0.0, 3600.0)
    with pytest.raises(LongSightError, match=r"Give a shorter text\.$"):
        estimate.check_memory(model, vanilla, 100_000)
