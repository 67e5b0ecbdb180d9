"""What a model does past its trained length, method by method: nll, and pass keys by depth."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from tqdm import tqdm

from engine.errors import LongSightError
from engine.methods import METHODS, Method
from engine.models import Model
from training import questions
from training.corpus import Corpus
from training.inside import right
from training.questions import Question, fit

LENGTHS = (1024, 2048, 4096, 8192, 16384)
DEPTHS = (0.0, 0.25, 0.5, 0.75, 1.0)
CHARACTERS = 8  # per token, more than any text needs


def variants(model: Model, keys: Sequence[str], target: int) -> dict[str, Method]:
    """The methods as the model recommends them; one that retrieves comes without its retrieval as well."""
    if unknown := [key for key in keys if key not in METHODS]:
        raise LongSightError(f"There is no method {unknown[0]!r}; there are {', '.join(METHODS)}.")
    result: dict[str, Method] = {}
    for key in keys:
        if METHODS[key].needs not in (None, model.position_encoding):
            continue
        method = model.method(key, target)
        if method.retrieval is not None:
            result[key] = dataclasses.replace(method, top_k=0)
            result[f"{key} + top-k"] = method
        else:
            result[key] = method
    return result


def measure(
    model: Model, corpus: Corpus, keys: Sequence[str], lengths: Sequence[int], cases: int, passages: int
) -> list[dict[str, Any]]:
    """One row per length and method: {"tokens", "variant", "method", "nll", "found" (by depth), "each"}."""
    rows = []
    texts = _texts(model, corpus, max(lengths), passages)
    work = [(length, name, method) for length in lengths for name, method in variants(model, keys, length).items()]
    asked = {length: pass_keys(model, corpus, length, cases) for length in lengths}
    for length, name, method in tqdm(work, desc="past the trained length"):
        found = [right(model, each, method) for each in asked[length]]
        rows.append(
            {
                "tokens": length,
                "variant": name,
                "method": method.describe(),
                "nll": last_nll(model, [text[:length] for text in texts], method),
                "found": found,
                "each": len(asked[length][0]),
            }
        )
    return rows


def pass_keys(model: Model, corpus: Corpus, length: int, cases: int, first: int = 0) -> list[list[Question]]:
    """Questions by depth, `cases` in all, with seeds from `first` on."""
    return [
        [
            fit(model.tokenizer, lambda rng, size, d=depth: questions.pass_key(rng, corpus, size, d), length, seed)
            for seed in range(first, first + math.ceil(cases / len(DEPTHS)))
        ]
        for depth in DEPTHS
    ]


def last_nll(model: Model, texts: Sequence[Sequence[int]], method: Method) -> float:
    """Mean nll [nat/token] of the last tokens of each text; nan without texts.

    One token fewer than the trained length: a method that cuts the text there does not predict the first it reads.
    """
    last = [model.nll(ids, method)[1 - model.train_length :] for ids in texts]
    return float(np.mean(np.concatenate(last))) if last else math.nan


def _texts(model: Model, corpus: Corpus, length: int, passages: int) -> list[list[int]]:
    """(text token) passages of `length` tokens from the documents that are long enough."""
    long = [document for document in corpus.documents if len(document.text) > CHARACTERS * length]
    if not long:
        raise LongSightError(
            f"A text of {length:,} tokens was asked for, but the longest held-out one has "
            f"{max(len(document.text) for document in corpus.documents):,} characters; choose shorter --lengths."
        )
    rng, source = np.random.default_rng(3), Corpus(long)
    return [model.tokenizer(source.passage(rng, CHARACTERS * length)).input_ids[:length] for _ in range(passages)]
