"""What every probe is told of the text before it is read, and which of its queries are measured."""

from dataclasses import asdict, dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from longsight.errors import LongSightError
from longsight.methods import Method
from longsight.models.model import Ids, Model

from .effective_distance import slowest_rotation
from .observed import ReadingHeader

MOST_QUERIES = 4096
"""Texts up to this length are measured at every query. Of longer ones as many are drawn, so that the time a probe takes
grows with the text and not with its square."""

STARTING = 10
"""How many first tokens count as starting tokens: LM-Infinite's default."""


def draw(n: int, most: int, seed: int = 0) -> np.ndarray:
    """All positions of `n`, or `most` of them: one drawn from each of `most` equal bands, and both ends.

    Drawn and not evenly spaced, because several methods treat positions in steps of a power of two.
    """
    if n <= most:
        return np.arange(n)
    edges = np.linspace(0, n, most + 1).astype(np.int64)
    picked = edges[:-1] + (np.random.default_rng(seed).random(most) * np.diff(edges)).astype(np.int64)
    picked[0], picked[-1] = 0, n - 1
    return picked


@dataclass(frozen=True, eq=False)
class Reading:
    """A text about to be read by a model under a method.

    Probes count positions as the method does, from the first token that it reads; records count them from the start of
    the text. `most` queries are measured at most.
    """

    model: Model
    method: Method
    ids: Tensor  # (n,) int64, the whole text
    most: int = MOST_QUERIES

    @property
    def n(self) -> int:
        """Tokens in the text."""
        return len(self.ids)

    @property
    def unread(self) -> int:
        """How many first tokens the method never reads."""
        return self.n - self.method.keeps(self.n)

    @property
    def read(self) -> Tensor:
        """The ids that are read."""
        return self.ids[self.unread :]

    @property
    def layers(self) -> int:
        return self.model.seam.layers

    @property
    def heads(self) -> int:
        """Query heads of each layer."""
        return self.model.hf.config.num_attention_heads

    @cached_property
    def queries(self) -> np.ndarray:
        """(query,) the positions measured, ascending."""
        return draw(self.n - self.unread, self.most)

    @property
    def sampling(self) -> str:
        """Which queries are measured, as a sentence."""
        read = self.n - self.unread
        if len(self.queries) == read:
            return "Every query was measured."
        return (
            f"{len(self.queries):,} of {read:,} queries were measured: the first, the last, and one drawn from each of "
            f"{self.most:,} equal stretches of the text."
        )

    def slowed(self, positions: np.ndarray) -> Tensor | None:
        """(query, 1) how much the method slows the slowest rotation, as in distance maps; None where it never does."""
        factor = slowest_rotation(self.method, torch.from_numpy(positions)[:, None])
        return None if bool((factor == 1).all()) else factor

    @property
    def attending(self) -> tuple[int, ...]:
        """The layers that attend to keys, and do not keep a state in their place."""
        return self.model.seam.attending

    def chosen_layers(self, layers: tuple[int, ...] | None) -> tuple[int, ...]:
        """`layers`, or all that attend. Raises `LongSightError` on one that does not, or that there is not."""
        if layers is None:
            return self.attending
        asked = chosen("layer", layers, self.layers - 1, self.model.name)
        if stateful := [layer for layer in asked if layer not in self.attending]:
            raise LongSightError(
                f"Layer {stateful[0]} of {self.model.name} keeps a state in the place of keys, so there is no "
                f"attention to look at; choose among {', '.join(map(str, self.attending))}."
            )
        return asked

    @cached_property
    def tokens(self) -> np.ndarray:
        """(token,) the text of every token; '#7' for id 7 of a model without a tokenizer."""
        return token_texts(self.model.tokenizer, self.ids)

    def header(self) -> ReadingHeader:
        """What every record says of the reading it comes from."""
        return {
            "model": self.model.name,
            "method": self.method.key,
            "caption": self.method.describe(),
            "parameters": asdict(self.method),
            "n": self.n,
            "unread": self.unread,
            "train_length": self.model.train_length,
        }


def chosen(what: str, asked: tuple[int, ...] | None, last: int, of: str) -> tuple[int, ...]:
    """The layers or heads asked for, or all from 0 to `last`. Raises `LongSightError` on one that does not exist."""
    if asked is None:
        return tuple(range(last + 1))
    wrong = [number for number in asked if not 0 <= number <= last]
    if wrong or not asked:
        raise LongSightError(f"{what} {', '.join(map(str, wrong)) or 'none'} was asked for; {of} has 0 to {last}.")
    return tuple(sorted(set(asked)))


def new_reading(model: Model, ids: Ids, method: Method, most: int = MOST_QUERIES) -> Reading:
    """A reading of `ids`. Raises `LongSightError` when they are no tokens of the model, or `most` is below 2."""
    if most < 2:
        raise LongSightError(f"At least 2 queries must be measured, but {most} were asked for.")
    return Reading(model, method, model.check_ids(ids), most)


def token_texts(tokenizer: PreTrainedTokenizerBase | None, ids: Tensor) -> np.ndarray:
    """(token,) what each id stands for on its own."""
    known, places = ids.unique(return_inverse=True)
    texts = [f"#{token}" if tokenizer is None else tokenizer.decode([token]) for token in known.tolist()]
    return np.array(texts, dtype=np.str_)[places.numpy()]
