"""Several methods on their way through one endless text, side by side, in memory that does not grow."""

import time
from collections.abc import Callable, Generator, Sequence
from dataclasses import asdict, dataclass
from typing import Any, TypeAlias

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from longsight.errors import LongSightError
from longsight.generation.prefill import Chunk, StepSize, check_chunk
from longsight.methods import METHODS, Method
from longsight.models.model import Model
from longsight.progress import Progress

from ..memory import held_memory
from . import tally
from .cache_state import restore, saved
from .long_text import LongText, TextPiece, TextPlace, piece_steps
from .tally import Stretch

CHUNK = 2048
"""Tokens read at once."""
FAR = 2**30
"""A length by which a cache that stops growing has stopped."""

ReadingState: TypeAlias = dict[str, Any]
"""Everything that a reading goes on from: plain values and tensors."""


@dataclass(frozen=True)
class ReadingTerms:
    """What a state must have been made with to be gone on from. `texts`: names and sizes [bytes]."""

    model: str
    dtype: str
    methods: tuple[str, ...]
    texts: tuple[tuple[str, int], ...]
    chunk: int | None
    lap: int | None


def check_endless(model: Model, method: Method, tokens: int) -> None:
    """Raise `LongSightError` for a method that would need more memory for every token, or would not read all of them,
    or that the model cannot have."""
    model.seam.check_method(method)
    if method.keeps(tokens) < tokens:
        raise LongSightError(f"{method.title} reads only the last tokens of a text; choose {_endless(model)}.")
    if not is_endless(model, method):
        raise LongSightError(
            f"{method.title} remembers the whole text, so that its cache grows with every token; choose "
            f"{_endless(model)}."
        )
    method.check_length(tokens)


def is_endless(model: Model, method: Method) -> bool:
    """Whether what it remembers of a text stops growing."""
    return model.cache_bytes(method, FAR) == model.cache_bytes(method, 2 * FAR)


def _endless(model: Model) -> str:
    keys = [key for key in METHODS if model.method(key, FAR).keeps(FAR) == FAR]
    return f"one of {', '.join(key for key in keys if is_endless(model, model.method(key, FAR).while_reading))}"


class LongReader:
    """One method's way: its cache, and what it expects of the next token. `took`: the seconds of its last
    chunk, and how many of them this process had the processor."""

    def __init__(self, model: Model, method: Method, tokens: int) -> None:
        self.model, self.cache = model, model.seam.new_cache(method)
        self.cache.reserve(tokens)
        self.expected: Tensor | None = None  # logits (vocab,)
        self.took = (0.0, 0.0)

    def read(self, ids: Tensor) -> np.ndarray:
        """Read `ids` (n,) -> negative log-likelihood [nats] (n,) of each; NaN for the first token of all."""
        begun, used = time.perf_counter(), time.process_time()
        logits = self.model.forward(ids, self.cache)
        targets, first = ids.to(logits.device), logits.new_full((1,), torch.nan, dtype=torch.float32)
        if self.expected is not None:
            first = F.cross_entropy(self.expected[None].float(), targets[:1], reduction="none")
        nll = torch.cat((first, F.cross_entropy(logits[:-1].float(), targets[1:], reduction="none"))).cpu()
        self.expected = logits[-1].clone()
        self.took = (time.perf_counter() - begun, time.process_time() - used)
        return nll.numpy()


class LongReading:
    """How far all methods are, and what was measured so far: `position` tokens are read, and `stretches` of them
    measured.

    A run of `tokens` reads the `texts` one after the other, `chunk` tokens at once; when they are at an end, or after
    `lap` tokens, they begin again, as a text that goes on. `tidy` is called where a text ends, before memory is looked
    at. Raises `LongSightError` where `check_endless` does.
    """

    def __init__(
        self, model: Model, methods: Sequence[Method], texts: Sequence[LongText], tokens: int, *,
        chunk: Chunk = CHUNK, lap: int | None = None, tidy: Callable[[], None] = lambda: None,
    ) -> None:  # fmt: skip
        check_chunk(chunk)
        if min(tokens, 1 if lap is None else lap) < 1 or not texts:
            raise LongSightError("A reading needs at least one text and one token, and a lap at least one token.")
        for method in methods:
            check_endless(model, method, tokens)
        self.model, self.methods, self.texts = model, tuple(methods), tuple(texts)
        self.tokens, self.chunk, self.lap, self.tidy = tokens, chunk, lap, tidy
        self.readers = [LongReader(model, method, tokens) for method in methods]
        self.place = TextPlace()
        self.position = 0
        self.stretches: list[Stretch] = []

    def steps(self) -> Generator[Progress[None], None, None]:
        """Read on; yields after each chunk, and while a text is made tokens of. Between two steps `state` is whole."""
        pieces = piece_steps(self.texts, self.place, self.chunk, self.lap)
        try:
            while self.position < self.tokens:
                step = next(pieces)
                if isinstance(step, TextPiece):
                    self._read(step.cut(self.tokens - self.position))
                    yield Progress(self.position, self.tokens)
                else:
                    yield Progress(self.position, self.tokens, step.doing)
        finally:
            pieces.close()

    def _read(self, piece: TextPiece) -> None:
        ids = torch.from_numpy(piece.ids).long()
        nll = np.stack([reader.read(ids) for reader in self.readers])
        seconds, processor = (np.array(each) for each in zip(*(r.took for r in self.readers), strict=True))
        if piece.then.token == 0:
            self.tidy()
        tally.add(self.stretches, piece.place.lap, nll, seconds, processor, held_memory(self.model.device))
        if isinstance(self.chunk, StepSize):
            self.chunk.learn(len(ids), float(seconds.sum()))
        self.position += len(ids)
        self.place = piece.then

    @property
    def steady(self) -> int | None:
        """How many tokens are read at once; None: as many as take an equal time."""
        return self.chunk if isinstance(self.chunk, int) else None

    @property
    def terms(self) -> ReadingTerms:
        """What it is."""
        texts = tuple((text.name, text.size) for text in self.texts)
        methods = tuple(method.describe() for method in self.methods)
        return ReadingTerms(self.model.name, str(self.model.dtype), methods, texts, self.steady, self.lap)

    def state(self) -> ReadingState:
        """All that `restore` needs."""
        return {
            "terms": asdict(self.terms),
            "place": asdict(self.place),
            "position": self.position,
            "stretches": [asdict(stretch) for stretch in self.stretches],
            "readers": [{"cache": saved(each.cache), "expected": each.expected} for each in self.readers],
        }

    def restore(self, state: ReadingState) -> None:
        """Go on from a `state`. Raises `LongSightError` for one of another reading, and says what differs."""
        for name, mine in asdict(self.terms).items():
            if state["terms"][name] != mine:
                raise LongSightError(
                    f"This reading was begun with the {name} {state['terms'][name]}, and not with {mine}; give another "
                    "folder, or what it was begun with."
                )
        self.place, self.position = TextPlace(**state["place"]), state["position"]
        self.stretches = [Stretch(**stretch) for stretch in state["stretches"]]
        for reader, its in zip(self.readers, state["readers"], strict=True):
            restore(reader.cache, its["cache"])
            reader.expected = its["expected"]
