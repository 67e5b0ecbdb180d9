"""How tokens are drawn: with their probabilities, from the likeliest of a given mass, the same for the same seed."""

from collections import Counter

import pytest
import torch

from longsight.errors import LongSightError
from longsight.generation.decode import Sampling, decode
from longsight.generation.prefill import Prefilled, prefill
from longsight.methods import METHODS
from tests.longsight.tiny import TRAINED, VOCABULARY, ids

NEVER_STOP = frozenset()


def lm_infinite():
    return METHODS["lm-infinite"](window=TRAINED, starting=4)


def drawn(model, read, **how):
    return list(decode(model, read, Sampling(stop=NEVER_STOP, max_new_tokens=15, **how)))


def test_the_same_seed_gives_the_same_answer_and_another_seed_another(grouped):
    answers = [
        drawn(grouped, prefill(grouped, ids(20), lm_infinite()), temperature=1.5, seed=seed) for seed in (1, 1, 2)
    ]
    assert answers[0] == answers[1] != answers[2]


def test_without_a_seed_every_answer_is_drawn_afresh(grouped):
    answers = {
        tuple(drawn(grouped, prefill(grouped, ids(20), lm_infinite()), temperature=5.0)) for _ in range(4)
    }  # 15 tokens, almost uniform over 61: a repetition is a matter of 61 ** -15
    assert len(answers) == 4


def test_decoding_leaves_the_global_random_numbers_alone(grouped):
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    drawn(grouped, prefill(grouped, ids(20), lm_infinite()), temperature=1.0, seed=1)
    assert torch.equal(torch.rand(1), expected)


def first_tokens(model, logits, times=400, **how):
    """The first token of many answers to the same logits."""
    cache = prefill(model, ids(3), lm_infinite()).cache
    sampling = [Sampling(stop=NEVER_STOP, max_new_tokens=1, seed=seed, **how) for seed in range(times)]
    return Counter(next(decode(model, Prefilled(cache, logits), one)) for one in sampling)


def test_tokens_are_drawn_with_their_probabilities(grouped):
    probability = torch.zeros(VOCABULARY)
    probability[[5, 6, 7]] = torch.tensor([0.5, 0.3, 0.2])
    counts = first_tokens(grouped, probability.log(), temperature=1.0)
    assert set(counts) == {5, 6, 7}
    assert abs(counts[5] / 400 - 0.5) < 0.08
    assert abs(counts[7] / 400 - 0.2) < 0.07


@pytest.mark.parametrize(("top_p", "possible"), [
    (0.01, {5}), (0.5, {5}), (0.51, {5, 6}), (0.79, {5, 6}), (0.81, {5, 6, 7}), (1.0, {5, 6, 7}),
])  # fmt: skip
def test_top_p_keeps_the_smallest_set_of_that_mass(grouped, top_p, possible):
    probability = torch.zeros(VOCABULARY)
    probability[[5, 6, 7]] = torch.tensor([0.5, 0.3, 0.2])
    assert set(first_tokens(grouped, probability.log(), 150, temperature=1.0, top_p=top_p)) == possible


def test_a_lower_temperature_prefers_the_likely(grouped):
    logits = torch.full((VOCABULARY,), -50.0)
    logits[[5, 6]] = torch.tensor([1.0, 0.0])
    cold, hot = (first_tokens(grouped, logits, temperature=t)[6] for t in (0.3, 10.0))
    assert cold < 40 < 120 < hot


@pytest.mark.parametrize("temperature", [1e-6, 1e-30, 1e-45])
def test_a_temperature_next_to_zero_is_greedy(grouped, temperature):
    logits = torch.linspace(-30, 30, VOCABULARY)
    assert set(first_tokens(grouped, logits, 5, temperature=temperature)) == {VOCABULARY - 1}


@pytest.mark.parametrize(
    ("how", "sentence"),
    [
        ({"temperature": -0.1}, "temperature must be between 0 and 100, but -0.1 was given"),
        ({"temperature": 101}, "temperature must be between 0 and 100, but 101 was given"),
        ({"temperature": float("nan")}, "temperature must be between 0 and 100, but nan was given"),
        ({"top_p": 0}, "top_p must be above 0 and at most 1, but 0 was given"),
        ({"top_p": 1.01}, "top_p must be above 0 and at most 1, but 1.01 was given"),
        ({"top_p": float("nan")}, "top_p must be above 0 and at most 1, but nan was given"),
        ({"seed": -1}, r"seed must be between 0 and 2\^63 - 1, but -1 was given"),
        ({"seed": 2**63}, r"seed must be between 0 and 2\^63 - 1, but 9223372036854775808 was given"),
        ({"max_new_tokens": 0}, "max_new_tokens must be at least 1, but 0 was given"),
    ],
)
def test_impossible_sampling_is_refused(how, sentence):
    with pytest.raises(LongSightError, match=sentence):
        Sampling(**how)
