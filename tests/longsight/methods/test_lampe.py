"""LaMPE: what is refused, and that a text longer than the map is, however it is read."""

import pytest
import torch

from longsight.errors import LongSightError
from longsight.generation.decode import Sampling, decode
from longsight.generation.prefill import prefill
from longsight.methods import METHODS
from tests.longsight import tiny

MAP = METHODS["lampe"](head=4, use=12, length=40)


@pytest.fixture(scope="module")
def model():
    return tiny.model()


def test_the_authors_defaults_for_a_model_of_4096_tokens():
    assert METHODS["lampe"].for_model(4096, 10_000) == METHODS["lampe"](head=512, use=1536, length=12_288)


@pytest.mark.parametrize("target", [64, 100, 1000, 5000])
def test_the_defaults_tell_familiar_distances_only_up_to_the_length_of_the_text(target):
    method = METHODS["lampe"].for_model(64, target)
    assert method.reach(64) == method.length >= target


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"use": 40}, "use = 40 positions would stretch a text of length = 40 tokens; choose at most 39"),
        ({"tail": 36}, "head = 4 and tail = 36 leave nothing between them of length = 40 tokens; choose smaller"),
    ],
)
def test_maps_that_make_no_sense_are_refused(given, sentence):
    with pytest.raises(LongSightError, match=sentence):
        METHODS["lampe"](**{"head": 4, "use": 12, "length": 40, **given})


def test_a_text_of_the_length_of_the_map_is_read_and_one_token_more_is_refused(model):
    sentence = "LaMPE: its rule is made for texts of at most 40 tokens, and this one has 41"
    assert torch.isfinite(model.logits(tiny.ids(40), MAP)).all()
    with pytest.raises(LongSightError, match=sentence):
        model.logits(tiny.ids(41), MAP)
    tokens = decode(model, prefill(model, tiny.ids(39), MAP), Sampling(stop=frozenset(), max_new_tokens=5))
    assert len([next(tokens), next(tokens)]) == 2
    with pytest.raises(LongSightError, match=sentence):
        list(tokens)
