"""Which heads of a model look far back for what has been before: those that DuoAttention should let see everything.

A passage of random tokens is read twice in a row. In the second copy a head that retrieves looks at the same token of
the first, or at the one that came after it (induction); both are so far away that nothing but the repetition leads
there. DuoAttention's authors (arXiv 2410.10819) train a gate for each head instead, which takes a model's gradients.
"""

import torch
from torch import Tensor

from longsight.attention.layer import acting
from longsight.attention.observer import AttentionStep, Observer
from longsight.methods import METHODS
from longsight.models.model import Model

from .attention_block import make_view

PASSAGES = 4
MOST_TOKENS = 2048
"""Of both copies together: attention of all heads to all of them is looked at."""


class RepeatWatch(Observer):
    """Sums the attention of each query head in the second copy of `n` tokens to the token that it repeats and the one
    after it: `found` by layer, (head,)."""

    def __init__(self, n: int) -> None:
        self.n = n
        self.found: dict[int, Tensor] = {}

    def attention(self, step: AttentionStep) -> None:
        found = step.q.new_zeros(len(step.q), dtype=torch.float32)
        for block in step.blocks(rows=slice(self.n, None)):
            view = make_view(step.layer, 0, block, None, None)
            back = view.i[:, None] - view.j
            found += (view.weights * ((back == self.n) | (back == self.n - 1))).sum((1, 2))
        self.found[step.layer] = found


def retrieval_scores(model: Model, passages: int = PASSAGES, seed: int = 0) -> list[list[float]]:
    """Of each layer that a method acts on and each of its key/value heads, the share of attention that goes back to the
    first copy, between 0 and 1: the mean over tokens and passages, of the query head that does so most. Other layers
    have none. A text is as long as those of training, `MOST_TOKENS` at most.
    """
    n = min(model.train_length, MOST_TOKENS) // 2
    sums: dict[int, Tensor] = {}
    for passage in range(passages):
        watch = RepeatWatch(n)
        model.forward(_twice(model, n, seed + passage), model.seam.new_cache(METHODS["vanilla"]()), observer=watch)
        sums = {layer: found + sums.get(layer, 0) for layer, found in watch.found.items()}
    found: list[list[float]] = [[] for _ in range(model.seam.layers)]
    for layer in acting(model.seam.layout):
        if heads := model.seam.heads[layer]:
            found[layer] = (sums[layer] / (n * passages)).reshape(heads, -1).amax(1).tolist()
    return found


def _twice(model: Model, n: int, seed: int) -> Tensor:
    """`n` random tokens, none of them special, and the same again."""
    vocabulary = model.hf.get_input_embeddings().num_embeddings
    special = set() if model.tokenizer is None else set(model.tokenizer.all_special_ids)
    usual = torch.tensor([token for token in range(vocabulary) if token not in special])
    passage = usual[torch.randint(len(usual), (n,), generator=torch.Generator().manual_seed(seed))]
    return passage.repeat(2)
