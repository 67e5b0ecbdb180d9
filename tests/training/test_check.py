"""The quick look counts what a model would write."""

from __future__ import annotations

import types

import pytest
import torch

from training.check import EACH, KINDS, Check


class Knows(torch.nn.Module):
    """Predicts the very tokens it is given, but for those in some rows."""

    device = torch.device("cpu")

    def __init__(self, wrong=()):
        super().__init__()
        self.wrong = list(wrong)

    def forward(self, input_ids, use_cache):
        following = input_ids.roll(-1, 1)
        following[self.wrong] = (following[self.wrong] + 1) % 500
        return types.SimpleNamespace(logits=torch.nn.functional.one_hot(following, 500).float())


@pytest.mark.parametrize(("wrong", "found"), [((), [1, 1, 1]), ((0, 5, 6), [0.75, 0.5, 1]), (range(12), [0, 0, 0])])
def test_shares_by_kind(batches, corpus, wrong, found):
    assert Check(batches, corpus)(Knows(wrong)) == dict(zip(KINDS, found, strict=True))


def test_the_questions_stay_the_same(batches, corpus):
    one, other = Check(batches, corpus), Check(batches, corpus)
    assert torch.equal(one._ids, other._ids)
    assert one._decides.any(1).sum() == EACH * len(KINDS)


def test_a_model_in_training_goes_on_training(batches, corpus):
    model = Knows().train()
    Check(batches, corpus)(model)
    assert model.training
