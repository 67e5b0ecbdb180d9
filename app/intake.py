"""From a pasted, uploaded or chosen text to a visit's document, in named steps; and measuring the machine, once."""

from collections.abc import Generator
from dataclasses import dataclass

import numpy as np

from app import devices, estimate
from app.devices import Waiting
from app.documents import Document, tokenize_steps
from app.visits import Visit
from engine.models import Model

ANSWER_ROOM = 256
"""Tokens added to a document's for the question and the answer, when parameters are fitted to the text."""


@dataclass(frozen=True)
class Step:
    """A named step of the intake and the part of it that is done (None: unknown)."""

    name: str
    part: float | None = None


def take_steps(visit: Visit, model: Model, document: Document) -> Generator[Step, None, None]:
    """Make `document` the one that the visit is about; yields named steps.

    The old one stays if anything fails. When a newer document comes in meanwhile, this one gives way to it.
    """
    visit.incoming = document
    tokens = yield from _tokenize(model, document)
    if visit.incoming is not document:
        return
    visit.take(document)
    visit.tokens[model.name] = tokens


def tokens_steps(visit: Visit, model: Model) -> Generator[Step, None, np.ndarray]:
    """The ids of the visit's document for `model`, tokenized now if it was not before; empty without a document."""
    if visit.document is None:
        return np.zeros(0, dtype=np.int32)
    if model.name not in visit.tokens:
        visit.tokens[model.name] = yield from _tokenize(model, visit.document)
    return visit.tokens[model.name]


def measure_steps(visit: Visit, model: Model) -> Generator[Step, None, None]:
    """Measure this machine's speed with `model`, once per process, when no one else uses it."""
    if estimate.speed(model).samples or devices.turnstile(model.device).busy:
        return
    for step in devices.in_turn(model.device, lambda: visit.left, estimate.measure_steps(model)):
        yield Step(str(step) if isinstance(step, Waiting) else "measuring this machine")


def _tokenize(model: Model, document: Document) -> Generator[Step, None, np.ndarray]:
    steps = tokenize_steps(model.tokenizer, document.text)
    yield Step("tokenizing", 0.0)
    while True:
        try:
            yield Step("tokenizing", next(steps))
        except StopIteration as finished:
            return finished.value


def token_count(visit: Visit, model: Model) -> int:
    """Tokens of the visit's document for `model`; 0 without one."""
    return len(visit.tokens.get(model.name, ()))


def target_length(visit: Visit, model: Model) -> int:
    """How long a text the methods are to reach: the document with room for an answer, or the trained length."""
    count = token_count(visit, model)
    return count + ANSWER_ROOM if count else model.train_length
