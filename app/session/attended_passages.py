"""Where an answer came from: the passages of a document that heads attended to while it was written."""

import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import avg_pool1d

from analysis.diagnostics.attention_block import last_query
from longsight.attention.observer import AttentionStep, Observer

WINDOW = 24
"""Tokens of a passage."""
MOST = 3
FEWEST = 0.02
"""The part of what is found in the document that a passage must have."""
FIRST = 8
"""First positions of the prompt that are left out: there heads park the attention that they have no use for."""

TOKENS, SECONDS, LONGEST = 24, 2.0, 2**18
"""What looking on may take: so many tokens of an answer, so much time for all of them, prompts of so many tokens."""
AROUND, LONGEST_WORD = 240, 24  # characters of the document before and after a passage, and of a word at its ends


@dataclass(frozen=True)
class Passage:
    """A `text` of the document, what stands `before` and `after` it, and the number of the `token` that it begins with.

    `share` (0 to 1): the most attention that one head gave it while one token of the answer was written.
    """

    text: str
    before: str
    after: str
    token: int
    share: float


class AnswerWatch(Observer):
    """Looks on while an answer is written, within its budget; the token that a prompt itself brings forth is not seen.

    Kept are, for each position, the sum of squares of all attention on it, by which passages are ranked, because what a
    few heads look at hard counts more than what all skim; and the most that a head gave the `WINDOW` from it on.
    """

    def __init__(self, first_layer: int) -> None:
        self.first_layer = first_layer
        self.tokens, self.seconds = 0, 0.0
        self.squares = self.most = torch.zeros(0)

    def attention(self, step: AttentionStep) -> None:
        self.tokens += step.layer == self.first_layer
        if self.tokens > TOKENS or self.seconds > SECONDS:
            return
        begun, length = time.perf_counter(), int(step.i[-1]) + 1
        if not WINDOW <= length <= LONGEST:
            return
        weights = _by_position(step, length)
        if not len(self.squares):
            self.squares, self.most = (weights.new_zeros(length + 2 * TOKENS) for _ in range(2))
        self.squares[:length] += weights.square().sum(0)
        windows = avg_pool1d(weights[None], WINDOW, 1)[0].amax(0) * WINDOW
        self.most[: len(windows)] = torch.maximum(self.most[: len(windows)], windows)
        self.seconds += time.perf_counter() - begun

    def passages(self, text: str, starts: np.ndarray, skipped: int) -> list[Passage]:
        """Up to `MOST` passages of `text`, the one looked at hardest first. `starts` (prompt token,): the character of
        the text at which a token of the prompt begins, -1 for those around it; the first `skipped` were never read."""
        inside = np.flatnonzero(starts >= 0)
        first, end = max(int(inside.min(initial=len(starts))), skipped + FIRST), int(inside.max(initial=-1)) + 1
        squares = self.squares[max(first - skipped, 0) : max(end - skipped, 0)].cpu().double().numpy()
        if len(squares) < WINDOW or not squares.sum():
            return []
        most = self.most[first - skipped :].cpu().numpy()
        bounds = np.append(starts[first:end], len(text))
        return [
            _passage(text, int(bounds[at]), int(bounds[at + WINDOW]), int(first - inside[0]) + at, float(most[at]))
            for at in _hardest(squares)
        ]


def _by_position(step: AttentionStep, length: int) -> Tensor:
    """(head, position) float32: the attention of the last query, fetched keys included."""
    view = last_query(step)
    weights = view.weights[:, 0].float()
    found = weights.new_zeros(len(weights), length)
    found.index_add_(1, view.j[: view.ordinary], weights[:, : view.ordinary])
    if view.fetched is not None:
        found.scatter_add_(1, view.fetched, weights[:, view.ordinary :])
    return found


def _hardest(squares: np.ndarray) -> Iterator[int]:
    """Where the windows with the largest sums begin, none of which overlap."""
    sums = np.convolve(squares, np.ones(WINDOW), "valid")
    for _ in range(MOST):
        at = int(sums.argmax())
        if sums[at] < FEWEST * squares.sum():
            return
        yield at
        sums[max(at - WINDOW + 1, 0) : at + WINDOW] = -1


def _passage(text: str, start: int, end: int, token: int, share: float) -> Passage:
    """From one character of `text` to another, with the whole of the words at its ends, unless they are very long."""
    farthest = max(start - LONGEST_WORD, 0), min(end + LONGEST_WORD, len(text))
    while start > farthest[0] and text[start - 1 : start + 1].isalnum():
        start -= 1
    while end < farthest[1] and text[end - 1 : end + 1].isalnum():
        end += 1
    before, after = text[max(start - AROUND, 0) : start], text[end : end + AROUND]
    return Passage(text[start:end], before, after, token, min(share, 1.0))
