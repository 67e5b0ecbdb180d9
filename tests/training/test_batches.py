"""Batches depend on the step alone, fill their rows, and weigh what is worth learning."""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np

from training import conversations
from training.batches import Batches
from training.conversations import TaughtTurn


def test_a_batch_is_a_function_of_seed_and_step(recipe, corpus, tokenizer):
    one, other = Batches(recipe, corpus, tokenizer), Batches(recipe, corpus, tokenizer)
    forward = [one.at(step) for step in range(0, recipe.steps, 37)]
    backward = [other.at(step) for step in reversed(range(0, recipe.steps, 37))]
    for a, b in zip(forward, reversed(backward), strict=True):
        assert np.array_equal(a.ids, b.ids)
        assert np.array_equal(a.weights, b.weights)
    assert not np.array_equal(forward[0].ids, forward[1].ids)
    reseeded = Batches(dataclasses.replace(recipe, seed=4), corpus, tokenizer)
    assert not np.array_equal(reseeded.at(0).ids, forward[0].ids)


def test_rows_are_full_and_tokens_known(recipe, batches, tokenizer):
    for step in range(0, recipe.steps, 5):
        phase, _ = recipe.phase_at(step)
        batch = batches.at(step)
        assert batch.ids.shape == batch.weights.shape == (phase.rows, phase.length)
        assert batch.ids.min() >= 0
        assert batch.ids.max() < len(tokenizer)
        assert set(np.unique(batch.weights)) <= {0.0, 1.0, 2.0, 4.0}


def test_rows_begin_with_many_tokens(recipe, batches):
    first = [int(row[0]) for step in range(0, recipe.steps, 4) for row in batches.at(step).ids]
    assert len(set(first)) > 50


def test_parts_of_the_rows_follow_the_recipe(recipe, batches):
    scored = [(batches.at(step).weights == 4).any(1).mean() for step in range(recipe.steps - 40, recipe.steps)]
    assert np.mean(scored) > 0.6
    repeated = [(batches.at(step).weights == 0).mean() for step in range(20)]
    assert np.mean(repeated) > 0.15  # the first appearance of a random run is not learned


def test_a_repeated_run_can_be_predicted(batches):
    """Wherever a random row has weight, an earlier place holds the same pair of tokens."""
    for seed in range(50):
        ids, weights = (np.array(part[:64]) for part in batches._run(np.random.default_rng(seed), 64))
        pairs = list(itertools.pairwise(ids))
        assert weights[:4].sum() == 0
        for place in np.flatnonzero(weights):
            assert pairs[place - 1] in pairs[: place - 1]


def test_what_decides_weighs_more(batches, tokenizer):
    ids, weights = batches.encode(
        [TaughtTurn("Where?", ("It is", " here.", " He is", " not.")), TaughtTurn("Go on.", ("Once.",))]
    )
    assert (
        tokenizer.decode(ids)
        == "<|user|>Where?<|assistant|>It is here. He is not.<|end|><|user|>Go on.<|assistant|>Once.<|end|>"
    )
    heavy = [token for token, weight in zip(ids, weights, strict=True) if weight == 4]
    assert tokenizer.decode(heavy) == " here. not."
    assert weights[0] == 0


def test_what_is_restated_can_weigh_more_too(batches, tokenizer):
    talk = [TaughtTurn("Where?", ("It is", " here.", " He is", " not.")), TaughtTurn("Go on.", ("Once.",))]
    ids, weights = batches.encode(talk, restated=2.5)
    restated = [token for token, weight in zip(ids, weights, strict=True) if weight == 2.5]
    assert tokenizer.decode(restated) == "It is He is"
    assert batches.encode(talk)[0] == ids


def test_the_phase_says_how_much_restating_weighs(recipe, batches):
    first, last = (batches.at(step).weights for step in (0, recipe.steps - 1))
    assert set(np.unique(first)) <= {0, 1, 4}
    assert set(np.unique(last)) == {0, 1, 2, 4}


def test_pieces_are_cut_between_tokens(corpus, batches, tokenizer):
    """What is learned piece by piece is what the tokenizer makes of the whole conversation."""
    for seed in range(60):
        turns = conversations.conversation(np.random.default_rng(seed), corpus, 400)
        messages = [
            {"role": role, "content": text}
            for turn in turns
            for role, text in (("user", turn.user), ("assistant", turn.answer))
        ]
        assert batches.encode(turns)[0] == tokenizer.apply_chat_template(messages).input_ids
