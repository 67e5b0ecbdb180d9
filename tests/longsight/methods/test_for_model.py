"""Default parameters, how far they reach, and inside which length they change nothing."""

from itertools import product

import pytest
import torch

from longsight.methods import METHODS
from tests.longsight.tiny import TRAINED, promised, spread

LENGTHS = [1, 2, 3, 7, 16, 64, 100, 512, 2048, 4096]
DISTANCES_ALONE = [key for key in METHODS if METHODS[key].needs != "rope"]
"""Methods that leave frequencies alone, so that `distance` says all that the model is told."""
FACTORS = [0.25, 1, 1.5, 2, 4, 16, 60]


def largest_distances(method, n):
    """Per query (n,): the largest distance that it is told."""
    i, j = torch.arange(n)[:, None], torch.arange(n)[None, :]
    visible = method.visible(i, j).expand(n, n)
    told = method.distance(i, j).expand(method.frequency_groups, n, n).double()
    return told.masked_fill(~visible, 0).amax((0, 2))


@pytest.mark.parametrize("key", METHODS)
def test_defaults_exist_for_every_pair_of_lengths(key):
    for train_length, factor in product(LENGTHS, FACTORS):
        method = METHODS[key].for_model(train_length, max(int(train_length * factor), 1))
        assert type(method) is METHODS[key]
        assert method == type(method)(**vars(method)), "its values are accepted as parameters"
        reach = method.reach(train_length)
        assert reach is None or reach >= train_length, f"{method.describe()} reaches {reach} of {train_length}"


@pytest.mark.parametrize("key", DISTANCES_ALONE)
def test_defaults_tell_no_unseen_distance_inside_their_reach(key):
    """Seen in training are 0 .. L - 1, and the ceiling L stands for everything farther."""
    for train_length, factor in product((16, 50, 64), (1, 2, 4)):
        target = train_length * factor
        method = METHODS[key].for_model(train_length, target)
        reach = method.reach(train_length)
        inside = target if reach is None else min(reach, target)
        told = largest_distances(method, min(inside, method.keeps(inside)))
        assert bool((told <= train_length).all()), method.describe()


@pytest.mark.parametrize("key", DISTANCES_ALONE)
def test_reach_is_the_longest_text_without_an_unseen_distance(key):
    """By brute force over `spread`: one token more than `reach` shows a distance that training did not."""
    for method in spread(key):
        n = min(5 * TRAINED, method.longest or 5 * TRAINED)
        largest = largest_distances(method, n)
        reach = method.reach(TRAINED)
        read = method.keeps(n)
        if reach is None or reach >= n:
            assert bool((largest[:read] <= TRAINED).all()), f"{method.describe()} says it reaches {reach}"
        else:
            assert bool((largest[:reach] <= TRAINED).all()), f"{method.describe()} says it reaches {reach}"
            lined_up = method.retrieval is not None and method.retrieval.distance is None  # as far as what is fetched
            assert lined_up or largest[reach] > TRAINED - 1, f"{method.describe()} reaches farther than {reach}"


STOCK = 1 / 10_000 ** (torch.arange(0, 16, 2, dtype=torch.float64) / 16)


@pytest.mark.parametrize("key", METHODS)
def test_defaults_change_nothing_inside_the_promised_length(key):
    for train_length, factor in product((4, 16, 50, 64), (1, 2, 8)):
        method = METHODS[key].for_model(train_length, train_length * factor)
        n = promised(method, train_length)
        i, j = torch.arange(n)[:, None], torch.arange(n)[None, :]
        told = method.distance(i, j).expand(method.frequency_groups, n, n).double().tril()
        assert method.keeps(n) == n
        assert torch.equal(method.visible(i, j).expand(n, n), j <= i), method.describe()
        assert bool((told == (i - j).double().tril()).all()), method.describe()
        scale = method.logit_scale(torch.arange(n))
        assert scale is None or bool((scale == 1).all()), method.describe()
        if n:
            torch.testing.assert_close(method.inv_freq(STOCK, method.length_at(torch.tensor(n - 1))), STOCK)


@pytest.mark.parametrize("key", METHODS)
def test_keeps_is_at_least_one_token_and_never_more_than_there_are(key):
    for method in spread(key):
        for n in (1, 2, 7, 41, 1000):
            assert 1 <= method.keeps(n) <= n
        kept = [method.keeps(n) for n in range(1, 200)]
        assert kept == sorted(kept), "a longer text never keeps less"


def test_only_truncation_cuts_the_prompt():
    assert [key for key in METHODS if METHODS[key].for_model(TRAINED, 500).keeps(500) != 500] == ["truncation"]


def thumb(group, window, target):
    """The far end of the text as the authors' rule of thumb sees it; to stay below 2/3 of the trained length."""
    return window + (target - window) / group


@pytest.mark.parametrize("train_length", [64, 512, 4096])
def test_self_extend_follows_the_authors_rule_of_thumb_wherever_some_pair_does(train_length):
    for factor in (1.5, 2, 3, 4, 6, 8, 16):
        target, most = int(train_length * factor), 2 / 3 * train_length
        method = METHODS["self-extend"].for_model(train_length, target)
        group, window = method.group, method.window
        pairs = [(g, w) for e in range(12) for g in [2**e] for w in range(g, train_length, g)]
        if any(thumb(g, w, target) <= most for g, w in pairs):
            assert thumb(group, window, target) <= most, method.describe()
            assert group == 1 or thumb(group // 2, window, target) > most, "a smaller group would do"
        assert method.reach(train_length) >= target, method.describe()


def test_self_extend_past_every_group_takes_the_greatest_reach():
    method = METHODS["self-extend"].for_model(64, 1_000_000)
    reaches = [(64 - w) * g + w for g in (1, 2, 4, 8, 16, 32, 64) for w in range(g, 65, g)]
    assert method.reach(64) == max(reaches)


def test_self_extend_reach_is_the_formula_of_the_paper():
    formula = {(4, 16): 48 * 4 + 16, (2, 4): 60 * 2 + 4, (1, 8): 64, (64, 64): 64}
    assert {pair: METHODS["self-extend"](*pair).reach(64) for pair in formula} == formula
