"""Distance maps of a method, in small and true, and a sentence that fits each."""

import pytest

from app.session import distance_maps
from longsight.errors import LongSightError
from longsight.methods import METHODS


@pytest.mark.parametrize("key", METHODS)
@pytest.mark.parametrize("small", distance_maps.SMALL)
@pytest.mark.parametrize("trained", distance_maps.SMALL_TRAINED)
def test_every_method_has_a_miniature_that_can_be_drawn(key, small, trained):
    both = distance_maps.method_maps(METHODS[key].for_model(512, 20_000), 20_000, 512, small, trained)
    assert both.small.exact
    assert both.small.n == small
    assert both.true.n == 20_000
    assert len(both.true.query_position) == distance_maps.CELLS <= 512
    for figure in (distance_maps.map_figure(both.small), distance_maps.map_figure(both.true)):
        assert len(figure.to_json()) < 2_000_000
        assert not figure.data[0].showscale
    assert distance_maps.what_to_see(both.true).endswith(".")


def test_a_miniature_shows_what_its_method_does():
    tiny = distance_maps.miniature(METHODS["lm-infinite"], 16, 8)
    assert (tiny.window, tiny.ceiling, tiny.starting) == (8, 8, 2)
    assert distance_maps.miniature(METHODS["self-extend"], 16, 8).group > 1


def test_the_sentences_say_what_is_hidden_and_what_is_foreign():
    def sentence(method, n=20_000):
        return distance_maps.what_to_see(distance_maps.method_maps(method, n, 512, 16, 8).true)

    assert "Every pair is seen. 95 % of those stand at distances that training never showed" in sentence(
        METHODS["vanilla"]()
    )
    assert "the blank ones are hidden" in sentence(METHODS["window"](window=512))
    assert "nothing is foreign" in sentence(METHODS["ceiling"](ceiling=512))
    assert "each head also fetches 5 of the hidden keys" in sentence(METHODS["lm-infinite"](window=512, top_k=5))


@pytest.mark.parametrize(
    ("sizes", "sentence"),
    [
        ((0, 16, 8), "The length of the text must be a whole number of tokens from 1 to 10,000,000, but 0 was given"),
        ((10**12, 16, 8), "1 to 10,000,000, but 1,000,000,000,000"),
        ((100, 3, 8), "The small text must be a whole number of tokens from 4 to 24, but 3"),
        ((100, 10**6, 8), "4 to 24, but 1,000,000"),
        ((100, 16, 0), "small trained length must be a whole number of tokens from 4 to 16, but 0"),
        ((100, 16.5, 8), "but 16.5 was given"),
        ((100, None, 8), "but nothing was given"),
        ((100, "16", 8), "but '16' was given"),
    ],
)
def test_sizes_out_of_range_from_a_raw_call_are_refused(sizes, sentence):
    tokens, small, trained = sizes
    with pytest.raises(LongSightError, match=sentence):
        distance_maps.method_maps(METHODS["vanilla"](), tokens, 512, small, trained)


def test_a_rule_of_ones_own_is_shown_in_small_as_it_is():
    mine = METHODS["composed"](rule="d < 3: d; else: i // 2 - j // 2 + 1", length=100, trained=64)
    both = distance_maps.method_maps(mine, 100, 64, 12, 8)
    assert both.said_of_small == "The same rule, for the first 12 tokens."
    assert both.small.effective[11, 0] == 11 // 2 + 1
