"""The best parameters are chosen, written beside the weights and read back."""

from __future__ import annotations

import json
import shutil

import pytest

from analysis import runs
from longsight.methods import METHODS
from longsight.models.model import load
from training import choose
from training.choose import ChosenParameters


@pytest.fixture
def place(trained, tmp_path):
    return shutil.copytree(trained / "whole", tmp_path / "whole")


@pytest.mark.parametrize(("found", "clearly"), [(38, False), (40, False), (41, True)])
def test_one_key_more_is_not_clearly_better(found, clearly):
    usual, other = ChosenParameters({}, (19, 19)), ChosenParameters({"group": 8}, (20, found - 20))
    assert choose.clearly_best([usual, other], keys=40) is (other if clearly else usual)


def test_the_best_is_chosen_and_read_back(place):
    """Only retrieval from layer 1 at half the length helps, only SelfExtend with groups of 16, InfLLM with a window of
    three quarters, and DuoAttention with as few full heads as there may be."""
    tried = []

    def found(methods, lengths):
        tried.extend(methods)
        assert lengths == ([128] if methods[0].startswith("duo") else (256,))
        good = ("lm-infinite:top_k=5,from_layer=1,insert_at=64", "self-extend:group=16,", "infllm:window=96", "duo")
        return [(5 if method.startswith(good) else 0,) for method in methods]

    model = load(place)
    choice = choose.choose(model, (256,), 5, found)
    assert choice.recommended == {
        "lm-infinite": {"top_k": 5, "from_layer": 1, "insert_at": 64},
        "self-extend": {"group": 16, "window": 32},
        "infllm": {"window": 96, "block": 4, "top_k": 8, "queries": 48},
        "duo": {"window": 32, "starting": 8, "heads": choice.tried["duo"][0].parameters["heads"]},
    }
    full = [str(each.parameters["heads"]).count("1") for each in choice.tried["duo"]]
    assert len(set(full)) == len(full)
    assert model.method("duo", 256) != load(place).method("window", 256)
    assert [sum(each.found) for each in choice.tried["lm-infinite"]].count(5) == 1
    usual = next(method for method in tried if method.startswith("self-extend"))
    thumb = METHODS["self-extend"].for_model(128, 256)
    assert usual == f"self-extend:group={thumb.group},window={thumb.window}", "not what the model now recommends"
    choose.write(place, choice)
    assert choose.read(place) == choice
    assert load(place).recommended == choice.recommended
    (part,) = choose.part(choice).tables
    assert ("self-extend", "rule of thumb", "0") in part.rows


def test_the_rule_of_thumb_stays_where_it_is_as_good(place):
    choice = choose.choose(load(place), (256,), 5, lambda methods, lengths: [(5,)] * len(methods))
    assert "self-extend" not in choice.recommended
    assert choose.read(place) is None
    (place / choose.FILE).write_text(json.dumps({"recommended": {}}))
    assert choose.read(place) is None


def test_whatever_is_tried_suits_a_model_and_stays_inside_what_it_was_trained_on(place):
    """What is seen at once, fetched or recent, fits into the trained length."""
    model = load(place)
    for key, options in choose.BESIDE_A_RULE.items():
        tried = list(options(model.train_length))
        assert len(tried) > 3
        for parameters in tried:
            method = runs.build(model, key, parameters, 256)
            if key == "infllm":
                assert method.window + method.top_k * method.block <= model.train_length
            if key == "reattention":
                assert method.local + method.starting + method.most * method.span <= model.train_length
