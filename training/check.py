"""A quick look at a model that is being trained: a dozen questions on held-out texts, answered in one pass."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
import torch
from transformers import PreTrainedModel

from training import conversations
from training.batches import Batches, Conversation
from training.corpus import Corpus

KINDS: dict[str, Conversation] = {
    "pass key": conversations.pass_key,
    "reading": conversations.reading,
    "talk": conversations.exchanges,
}
EACH = 4
T = TypeVar("T")


class Check:
    """Conversations about held-out texts, as long as the model is trained on; always the same ones."""

    def __init__(self, batches: Batches, corpus: Corpus) -> None:
        length = batches.recipe.train_length
        rows = [
            batches.fitting(kind, np.random.default_rng([place, seed]), corpus, length)
            for place, kind in enumerate(KINDS.values())
            for seed in range(EACH)
        ]
        self._ids = torch.tensor([_filled(ids, 0, length) for ids, _ in rows])  # what comes after changes nothing
        weights = torch.tensor([_filled(weights, 0.0, length) for _, weights in rows])
        self._decides = weights == batches.recipe.optimizer.answer_weight

    def __call__(self, model: PreTrainedModel) -> dict[str, float]:
        """For each kind, the share of the conversations in which every deciding token would be written greedily."""
        training = model.training
        model.eval()
        with torch.inference_mode():
            written = model(input_ids=self._ids.to(model.device), use_cache=False).logits[:, :-1].argmax(-1).cpu()
        model.train(training)
        right = ((written == self._ids[:, 1:]) | ~self._decides[:, 1:]).all(1).float().view(len(KINDS), EACH).mean(1)
        return dict(zip(KINDS, right.tolist(), strict=True))


def _filled(row: list[T], empty: T, length: int) -> list[T]:
    return row + [empty] * (length - len(row))
