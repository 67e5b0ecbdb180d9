"""What a model does past its trained length, method by method: nll, and pass keys by depth.

Keys at all depths are hidden in the same few texts, several at each place, and a text is read once up to where its
prompts part (`prefix_sharing`). So is what nll is measured on: one reading tells it before every length.
"""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import chain
from typing import Any

import numpy as np
from tqdm import tqdm

from longsight.errors import LongSightError
from longsight.methods import METHODS, Method
from longsight.models.model import Model
from training.corpus import Corpus
from training.inside import right
from training.questions import TrainingQuestion, characters, digits, pass_key_in

LENGTHS = (1024, 2048, 4096, 8192, 16384)
DEPTHS = (0.0, 0.25, 0.5, 0.75, 1.0)
TEXTS = 8  # at most, in which the keys of a cell are hidden
CHARACTERS = 8  # per token, more than any text needs
KEY_ROOM = 24  # tokens, twice what a key's answer takes; a model that talks nonsense talks on until it is stopped

Row = dict[str, Any]


def variants(model: Model, keys: Sequence[str], target: int) -> dict[str, Method]:
    """The methods as the model recommends them; one that retrieves comes without its retrieval as well."""
    if unknown := [key for key in keys if key not in METHODS]:
        raise LongSightError(f"There is no method {unknown[0]!r}; there are {', '.join(METHODS)}.")
    result: dict[str, Method] = {}
    for key in keys:
        if METHODS[key].needs not in (None, model.position_encoding):
            continue
        method = model.method(key, target)
        result[key] = without_retrieval(method)
        if method.retrieval is not None:
            result[f"{key} + top-k"] = method
    return result


def without_retrieval(method: Method) -> Method:
    """The method, fetching nothing."""
    return method if method.retrieval is None else dataclasses.replace(method, top_k=0)


def measure(
    model: Model,
    corpus: Corpus,
    keys: Sequence[str],
    lengths: Sequence[int],
    cases: int,
    passages: int,
    known: Sequence[Row] = (),
) -> Iterator[Row]:
    """Rows by length and method, each as soon as it is measured: {"tokens", "variant", "method", "nll", "passages",
    "found" (by depth), "each", "texts", "seconds" (of the processor)}. What `known` rows tell, of as many keys or more,
    is left out."""
    plans = [
        (length, method, _plan(length, name, method, cases, passages))
        for length in lengths
        for name, method in variants(model, keys, length).items()
    ]
    missing = [plan for plan in plans if not any(_covers(row, plan[2]) for row in known)]
    texts = _texts(model, corpus, max(lengths), passages)
    surprise = Surprise(model, texts, [(length, method) for length, method, _ in missing])
    asked: dict[int, list[list[TrainingQuestion]]] = {}
    bar = tqdm(missing, desc="past the trained length", initial=len(plans) - len(missing), total=len(plans))
    for length, method, row in bar:
        bar.set_postfix_str(f"{row['variant']} at {length:,}")
        if length not in asked:
            asked = {length: pass_keys(model, corpus, length, cases)}
        began = time.process_time()
        nll = surprise.last(method, length)
        found = right(model, list(chain(*asked[length])), method, KEY_ROOM)
        by_depth = np.reshape(found, (len(DEPTHS), -1)).sum(1).tolist()
        yield row | {"nll": nll, "found": by_depth, "seconds": round(time.process_time() - began, 1)}


def _plan(length: int, name: str, method: Method, cases: int, passages: int) -> Row:
    """What a row says before it is measured."""
    each = math.ceil(cases / len(DEPTHS))
    return {
        "tokens": length,
        "variant": name,
        "method": method.describe(),
        "passages": passages,
        "each": each,
        "texts": min(TEXTS, each),
    }


def _covers(row: Row, asked: Row) -> bool:
    """Whether a row is what would be measured, with as many keys or more."""
    same = all(row.get(name) == asked[name] for name in ("tokens", "variant", "method", "passages"))
    return same and "texts" in row and row["each"] >= asked["each"]


def merge(rows: Sequence[Row], new: Row) -> list[Row]:
    """The rows with a new one, which takes the place of another of its length and method; in order."""
    kept = [row for row in rows if (row["tokens"], row["variant"]) != (new["tokens"], new["variant"])]
    return sorted([*kept, new], key=_place)


def _place(row: Row) -> tuple[int, int, str]:
    key = row["variant"].partition(" ")[0]
    return row["tokens"], list(METHODS).index(key), row["variant"]


def pass_keys(model: Model, corpus: Corpus, length: int, cases: int, first: int = 0) -> list[list[TrainingQuestion]]:
    """Questions by depth, `cases` in all, equally many at each; all drawn from the seed `first`.

    The keys of a depth are spread over at most `TEXTS` texts, the same for all depths. A key is five tokens, whichever
    it is, so that the prompts of a depth and text are equally long.
    """
    source = _long(corpus, length)
    each = math.ceil(cases / len(DEPTHS))
    texts = [
        source.passage(np.random.default_rng([first, length, text]), CHARACTERS * length)
        for text in range(min(TEXTS, each))
    ]
    asked: list[list[TrainingQuestion]] = [[] for _ in DEPTHS]
    for number, depth in enumerate(DEPTHS):
        sizes = [characters(model.tokenizer, partial(_hidden, text, depth), length) for text in texts]
        for key in range(each):
            value = digits(np.random.default_rng([first, length, number, key]))
            text = key % len(texts)
            asked[number].append(_hidden(texts[text], depth, sizes[text], value))
    return asked


def _hidden(text: str, depth: float, size: int, value: str = "12345") -> TrainingQuestion:
    """The first `size` characters of a text with a key in them."""
    return pass_key_in(text[:size], value, depth)


class Surprise:
    """The mean nll [nat/token] of the last tokens before some lengths, for some methods; each text is read once for
    every method, as far as the method is asked for."""

    def __init__(self, model: Model, texts: Sequence[Sequence[int]], asked: Sequence[tuple[int, Method]]) -> None:
        """`texts` (text token); `asked`: lengths and methods that `last` will be called with."""
        self._model, self._texts = model, texts
        self._longest: dict[Method, int] = {}
        for length, method in asked:
            plain = without_retrieval(method)
            self._longest[plain] = max(length, self._longest.get(plain, 0))
        self._read: dict[Method, np.ndarray] = {}

    def last(self, method: Method, length: int) -> float:
        """Of the last tokens of the first `length`; nan without texts.

        One token fewer than the trained length: a method that cuts the text there does not predict the first it reads.
        What is fetched for the last token of a text comes too late for those before.
        """
        if not len(self._texts):
            return math.nan
        method, last = without_retrieval(method), slice(length - self._model.train_length, length - 1)
        if method.keeps(length) < length:  # what it reads of a text depends on where the text ends
            return float(np.mean([self._model.nll(text[:length], method)[last] for text in self._texts]))
        if method not in self._read:
            longest = self._longest[method]
            self._read[method] = np.stack([self._model.nll(text[:longest], method) for text in self._texts])
        return float(self._read[method][:, last].mean())


def _long(corpus: Corpus, length: int) -> Corpus:
    """The documents that have `length` tokens."""
    long = [document for document in corpus.documents if len(document.text) > CHARACTERS * length]
    if not long:
        raise LongSightError(
            f"A text of {length:,} tokens was asked for, but the longest held-out one has "
            f"{max(len(document.text) for document in corpus.documents):,} characters; choose shorter --lengths."
        )
    return Corpus(long)


def _texts(model: Model, corpus: Corpus, length: int, passages: int) -> list[list[int]]:
    """(text token) passages of `length` tokens from the documents that are long enough."""
    rng, source = np.random.default_rng(3), _long(corpus, length)
    return [model.tokenizer(source.passage(rng, CHARACTERS * length)).input_ids[:length] for _ in range(passages)]
