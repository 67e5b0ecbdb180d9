"""Stretches of a text that are read on: drawn, and read with the surprise of each of their tokens."""

import math
from collections.abc import Generator, Sequence

import numpy as np

from longsight.errors import LongSightError
from longsight.generation.prefill import Chunk
from longsight.generation.text_encoding import encoder_of
from longsight.methods import Method
from longsight.models.model import Model
from longsight.progress import Progress, finish

from ...diagnostics.nll import NLLProbe
from ...diagnostics.probing import Probing
from . import texts
from .base import Case, Facts, Outcome, text_of, tokenizer_of

CHUNK = 1024


class PassageFacts(Facts):
    """`ends`: the last words that were read."""

    ends: str


def read_on(
    model: Model, method: Method, ids: Sequence[int], before: int, total: int, chunk: Chunk = CHUNK
) -> Generator[Progress[Outcome], None, np.ndarray]:
    """Read `ids`; yields after each `chunk` and returns the NLL [nats] (n,) of each token; NaN: it is not known."""
    probing = Probing(model, ids, method, [NLLProbe])
    for part in probing.steps(chunk):
        yield Progress(before + part.done, total)
    return probing.records()[0].nll  # type: ignore[attr-defined]


def passages(model: Model, source: str, length: int, trials: int, seed: int) -> list[Case]:
    """`trials` stretches of `length` tokens of a text. Those of one seed and trial end at the same place whatever their
    length, so that lengths can be compared by their last tokens. Raises `LongSightError` when the text is too short."""
    tokenizer = tokenizer_of(model)
    first = tokenizer("", verbose=False)["input_ids"]
    cases = []
    for trial in range(trials):
        text = texts.ending(source, np.random.default_rng([seed, trial]), 8 * length)
        ids = finish(encoder_of(tokenizer).steps(text)).ids.tolist()
        if len(first) + len(ids) < length:
            raise LongSightError(
                f"{length:,} tokens of {source} were asked for, but it has {len(ids):,} before the place drawn for it; "
                "give a longer text or choose a smaller length."
            )
        cases.append(Case((*first, *ids[len(first) + len(ids) - length :]), (), PassageFacts(ends=text[-60:])))
    return cases


def bits_per_byte(model: Model, ids: Sequence[int], nll: np.ndarray) -> float | None:
    """What a byte of the text costs: `nll` [nats] (n,) of its tokens `ids`, over those that it is known of."""
    known = np.isfinite(nll)
    size = len(text_of(model, [token for token, told in zip(ids, known, strict=True) if told]).encode())
    return float(nll[known].sum()) / math.log(2) / size if size else None


def known_mean(values: np.ndarray) -> float | None:
    """The mean of the finite values; None without any, so that it can be written as JSON."""
    finite = values[np.isfinite(values)]
    return float(finite.mean()) if len(finite) else None
