"""The shapes that are compared: every one can be built, begins with the circuit, and differs as its name says."""

import pytest

from benchmarks.shapes import PHASES, SHAPES, shortened, variant
from training.model import build
from training.recipe import load_recipe

RECIPE = load_recipe("small-cpu")


class Vocabulary:
    """As much of a tokenizer as a network needs to know."""

    eos_token_id = pad_token_id = 0

    def __init__(self, size):
        self._size = size

    def __len__(self):
        return self._size


@pytest.mark.parametrize("name", SHAPES)
def test_every_shape_is_a_network_of_its_own(name):
    shape = variant(RECIPE, SHAPES[name])
    model = build(shape, Vocabulary(shape.tokenizer.vocab_size))
    expected = RECIPE.model | {"heads": RECIPE.model["num_attention_heads"], "vocab_size": 1024} | SHAPES[name]
    config = model.config
    assert (config.hidden_size, config.num_hidden_layers) == (expected["hidden_size"], expected["num_hidden_layers"])
    assert config.num_attention_heads == config.num_key_value_heads == expected["heads"]
    assert config.vocab_size == expected["vocab_size"]
    assert (name == "as the recipe") == (shape == RECIPE)


def test_a_short_recipe_has_the_tokens_it_is_given():
    short = shortened(RECIPE, 1_000_000)
    assert sum(share for share, _ in PHASES) == pytest.approx(1)
    assert 0.95e6 < short.tokens <= 1e6
    assert short.model == RECIPE.model
