"""Batches of token ids: a pure function of (seed, step), so that an interrupted run goes on with the very next batch.

A row is text (pasted from anywhere), a run of random tokens that repeats (from which copying is learned), or a
conversation.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
from transformers import PreTrainedTokenizerFast

from training import conversations
from training.corpus import Corpus
from training.recipe import Phase, Recipe, between
from training.tokenizer import ASSISTANT, END, USER

Conversation = Callable[[np.random.Generator, Corpus, int], list[conversations.TaughtTurn]]
SAMPLE = 20_000  # characters, to see how many of them a token stands for


@dataclasses.dataclass(frozen=True)
class Batch:
    """ids: (row token) token ids. weights: (row token) the weight of *predicting* that token; 0 is not learned."""

    ids: np.ndarray
    weights: np.ndarray


class Batches:
    """Makes the batch of any step."""

    def __init__(self, recipe: Recipe, corpus: Corpus, tokenizer: PreTrainedTokenizerFast) -> None:
        self.recipe = recipe
        self.corpus = corpus
        self._encode = tokenizer.backend_tokenizer.encode
        self._vocab = len(tokenizer)
        special = tokenizer.convert_tokens_to_ids
        self._user, self._assistant, self._end = special(USER), special(ASSISTANT), special(END)
        sample = corpus.passage(np.random.default_rng(recipe.seed), SAMPLE)
        self._characters_per_token = len(sample) / len(self._tokens(sample))
        self._plain = np.array([i for i in range(self._vocab) if i not in set(tokenizer.all_special_ids)])

    def at(self, step: int) -> Batch:
        """The batch of a step; raises RecipeError past the last one."""
        phase, progress = self.recipe.phase_at(step)
        rng = np.random.default_rng([self.recipe.seed, step])
        kinds = _kinds(phase, progress, rng)
        rows = [self._row(kind, rng, phase) for kind in kinds]
        return Batch(np.stack([ids for ids, _ in rows]), np.stack([weights for _, weights in rows]))

    def _row(self, kind: str, rng: np.random.Generator, phase: Phase) -> tuple[np.ndarray, np.ndarray]:
        length = phase.length
        if kind == "task":
            ids, weights = self._task(rng, length, phase.restated)
        else:
            ids, weights = {"text": self._text, "run": self._run}[kind](rng, length)
        return np.array(ids[:length], dtype=np.int64), np.array(weights[:length], dtype=np.float32)

    def _text(self, rng: np.random.Generator, length: int) -> tuple[list[int], list[float]]:
        """`length` tokens from the middle of some text."""
        ids: list[int] = []
        while len(ids) < length:
            if ids:
                ids.append(self._end)
            ids += self._tokens(
                self.corpus.passage(rng, int((length - len(ids)) * self._characters_per_token * 1.1) + 40)
            )
        return ids, [1.0] * len(ids)

    def _run(self, rng: np.random.Generator, length: int) -> tuple[list[int], list[float]]:
        """Random tokens, and after a gap the same again, and again. Only the repetitions can be learned."""
        size = int(rng.integers(4, length // 2 + 1))
        pool = rng.choice(self._plain, int(rng.integers(16, 65))) if rng.random() < 0.5 else self._plain
        run = [int(token) for token in rng.choice(pool, size)]
        ids = [int(token) for token in rng.choice(pool, int(rng.integers(0, max(1, length - 2 * size))))]
        weights = [0.0] * len(ids)
        first = True
        gaps = rng.random() < 0.5
        while len(ids) < length:
            ids += run
            weights += [0.0] * size if first else [0.0] + [1.0] * (size - 1)
            gap = int(rng.integers(0, max(1, length // 4))) if gaps else 0
            gap = min(gap, max(0, length - len(ids) - size)) if first else gap
            ids += [int(token) for token in rng.choice(pool, gap)]
            weights += [0.0] * gap
            first = False
        return ids, weights

    def _task(self, rng: np.random.Generator, length: int, restated: float) -> tuple[list[int], list[float]]:
        """A conversation; one that does not fill the row has text before or after it."""
        size = length if rng.random() < 0.6 else int(rng.integers(min(48, length), length + 1))
        ids, weights = self.fitting(conversations.conversation, rng, self.corpus, size, restated)
        if length - len(ids) < 2:
            rest: tuple[list[int], list[float]] = ([self._end] * (length - len(ids)), [0.0] * (length - len(ids)))
            return ids + rest[0], weights + rest[1]
        more, more_weights = self._text(rng, length - len(ids))
        more, more_weights = more[: length - len(ids)], more_weights[: length - len(ids)]
        if rng.random() < 0.3:
            return [*more[:-1], self._end, *ids], [*more_weights[:-1], 0.0, *weights]
        return ids + more, [*weights, 0.0, *more_weights[1:]]

    def fitting(
        self, kind: Conversation, rng: np.random.Generator, corpus: Corpus, size: int, restated: float = 1.0
    ) -> tuple[list[int], list[float]]:
        """A conversation of at most `size` tokens, and as near to that as the first guess allows."""
        characters = int(size * self._characters_per_token * 1.02) - 60
        for _ in range(8):
            ids, weights = self.encode(kind(rng, corpus, max(0, characters)), restated)
            if len(ids) <= size:
                return ids, weights
            characters = int(characters * size / len(ids)) - 20
        return [], []  # nothing this short came up: the row is filled with text

    def encode(self, turns: list[conversations.TaughtTurn], restated: float = 1.0) -> tuple[list[int], list[float]]:
        """The ids that the chat template gives for these turns, and their weights.

        Of an answer, what it adds weighs `answer_weight` and what it restates `restated`; a story does neither.
        """
        ids: list[int] = []
        weights: list[float] = []
        for turn in turns:
            user = self._tokens(turn.user)
            ids += [self._user, *user, self._assistant]
            weights += [0.0] + [1.0] * (len(user) + 1)
            kinds = (restated, self.recipe.optimizer.answer_weight) if len(turn.pieces) > 1 else (1.0,)
            for place, piece in enumerate(turn.pieces):  # cut where words begin, so that they can be encoded one by one
                tokens = self._tokens(piece)
                ids += tokens
                weights += [kinds[place % 2]] * len(tokens)
            ids.append(self._end)
            weights.append(1.0)
        return ids, weights

    def _tokens(self, text: str) -> list[int]:
        return self._encode(text, add_special_tokens=False).ids


def _kinds(phase: Phase, progress: float, rng: np.random.Generator) -> list[str]:
    """The kind of each row. Parts of a row are rounded at random, so that the parts hold on average."""
    runs, tasks_part = between(phase.runs, progress), between(phase.tasks, progress)
    draws = (np.arange(phase.rows) + rng.random()) / phase.rows
    return ["run" if draw < runs else "task" if draw < runs + tasks_part else "text" for draw in draws]
