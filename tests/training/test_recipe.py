"""Recipes: what a file says is what is trained, and what cannot be trained is refused."""

from __future__ import annotations

import dataclasses
import tomllib

import pytest

from training.loop import learning_rate
from training.recipe import RECIPES, RecipeError, load_recipe, parse_recipe


@pytest.mark.parametrize("name", sorted(file.stem for file in RECIPES.glob("*.toml")))
def test_shipped_recipes_train_on_the_whole_window(name):
    recipe = load_recipe(name)
    assert recipe.name == name
    assert recipe.phases[-1].length == recipe.train_length == 512
    assert recipe.tokens == sum(phase.steps * phase.batch_tokens for phase in recipe.phases)


def test_phases_follow_each_other(recipe):
    first, second = recipe.phases
    assert recipe.phase_at(0) == (first, 0.0)
    assert recipe.phase_at(first.steps - 1) == (first, 1.0)
    assert recipe.phase_at(first.steps) == (second, 0.0)
    assert recipe.phase_at(recipe.steps - 1) == (second, 1.0)
    with pytest.raises(RecipeError, match=f"step {recipe.steps} was asked, but micro has {recipe.steps} steps"):
        recipe.phase_at(recipe.steps)


def test_tokens_before_a_step(recipe):
    counted = 0
    for step in range(recipe.steps):
        assert recipe.tokens_before(step) == counted
        counted += recipe.phase_at(step)[0].batch_tokens
    assert recipe.tokens_before(recipe.steps) == recipe.tokens == counted


def test_unknown_recipe_names_the_known_ones():
    with pytest.raises(RecipeError, match="recipe 'large' was asked, but there is no .*; known recipes: .*small"):
        load_recipe("large")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("answer_weight = 4.0\n|", "Optimizer needs answer_weight"),
        ("clip = 1.0|clip = 1.0\ncluster = 8", "Optimizer has no cluster; it has answer_weight"),
        ("train_length = 128|train_length = 65", "train_length=65, but the longest phase has length=128"),
        ("\nlength = 64|\nlength = 63", "length=63, batch_tokens=256"),
        ("tokens = 25_600|tokens = 100", "at least one step, found length=64, batch_tokens=256, tokens=100"),
        ("runs = [0.5, 0.0]|runs = [0.9, 0.0]", "together at most 1, found 0.9 and 0.25"),
    ],
)
def test_a_recipe_that_cannot_be_trained_is_refused(recipe_file, change, message):
    before, after = change.split("|")
    text = recipe_file.read_text()
    assert before in text
    with pytest.raises(RecipeError, match=message):
        parse_recipe(tomllib.loads(text.replace(before, after, 1)))


def test_a_recipe_needs_phases(recipe):
    with pytest.raises(RecipeError, match="at least one"):
        parse_recipe(
            {"name": "empty"} | {key: dataclasses.asdict(getattr(recipe, key)) for key in ("tokenizer", "optimizer")}
        )


def test_learning_rate_rises_stays_and_falls(recipe):
    rates = [learning_rate(recipe, step) for step in range(recipe.steps)]
    peak, falls = recipe.optimizer.warmup_steps, recipe.phases[0].steps
    assert rates[:peak] == sorted(rates[:peak])
    assert set(rates[peak : falls + 1]) == {recipe.optimizer.learning_rate}
    assert rates[falls:] == sorted(set(rates[falls:]), reverse=True)
    assert rates[-1] == pytest.approx(recipe.optimizer.learning_rate * recipe.phases[1].rates[1])


def test_begin_may_be_left_out(recipe_file):
    table = tomllib.loads(recipe_file.read_text())
    assert parse_recipe(table).begin == ""
    assert parse_recipe(table | {"begin": "a/folder"}).begin == "a/folder"
