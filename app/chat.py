"""A visitor's question on its way: checked, put to the methods when the device is free, shown as it is answered."""

import contextlib
import time
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from app import answers, cells, devices, intake, running, transcript
from app.answers import Cell
from app.context_panel import describe
from app.devices import Waiting
from app.visits import Turn, Visit
from engine.errors import LongSightError
from engine.generate import Sampling
from engine.methods import Method
from engine.models import Model

MOST_CHARACTERS = 4000
"""Of a question. Anything longer is a document."""

MOST_NEW_TOKENS = 1024
ANSWERING = "The last question is still being answered; stop it first, or wait."
TICK = 0.25  # seconds between two pictures of the conversation: each costs the visitor's machine some work


@dataclass(frozen=True)
class Question:
    """A question that has passed every check."""

    text: str
    methods: list[Method]
    sampling: Sampling


def check_question(text: Any, methods: Sequence[Method], longest: Any, temperature: Any, seed: Any) -> Question:
    """Raises `LongSightError` unless there is a question of a sensible length and sampling that can be done."""
    text = str(text or "").strip()
    if not text:
        raise LongSightError("There is no question yet; type one, for example: What is the pass key?")
    if len(text) > MOST_CHARACTERS:
        raise LongSightError(
            f"The question has {len(text):,} characters; up to {MOST_CHARACTERS:,} are read. "
            "Paste a long text as a document."
        )
    keys = [method.key for method in methods]
    if len(set(keys)) < len(keys):
        raise LongSightError(f"A method can be chosen once; {', '.join(keys)} were asked for.")
    tokens, warmth, start = (
        _number("longest answer", longest),
        _number("temperature", temperature),
        _number("seed", seed),
    )
    if not 1 <= tokens <= MOST_NEW_TOKENS:
        raise LongSightError(f"The longest answer must have 1 to {MOST_NEW_TOKENS:,} tokens, but {tokens:,} was given.")
    if not 0 <= start < 2**63:
        raise LongSightError(f"The seed must be from 0 to {2**63 - 1:,}, but {start:,} was given.")
    return Question(text, list(methods), Sampling(temperature=warmth, seed=int(start), max_new_tokens=int(tokens)))


def _number(name: str, value: Any) -> int | float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or value != value:
        raise LongSightError(f"The {name} must be a number, but {value!r} was given.")
    return value


def ask_steps(visit: Visit, model: Model, question: Question) -> Generator[dict[str, Any], None, None]:
    """Put a question to its methods; yields pictures of the conversation, several a second, the last when all is done.

    Closing the generator, or `visit.stop`, ends the work, frees what was being read, and lets the next visitor in.
    """
    with running.at_work(visit, ANSWERING):
        turn = Turn(question.text, "", [Cell(method) for method in question.methods])
        visit.turns.append(turn)
        visit.asked += 1
        shown = 0.0
        try:
            with contextlib.closing(_answer(visit, model, question, turn)) as steps:
                for _ in steps:
                    if time.monotonic() - shown >= TICK:
                        shown = time.monotonic()
                        yield cells.conversation(visit.turns, asked=visit.asked)
            yield cells.conversation(visit.turns, asked=visit.asked)
        finally:
            if visit.left:
                visit.free()


def _answer(visit: Visit, model: Model, question: Question, turn: Turn) -> Generator[None, None, None]:
    try:
        for step in intake.tokens_steps(visit, model):
            turn.about = f"{step.name} …"
            yield
    except LongSightError as error:
        for cell in turn.cells:
            cell.fail(str(error))
        return
    turn.about = _about(visit, model)
    asked = transcript.spell(model.tokenizer, question.text)
    sides = [(visit.speaker(model.name, cell.method.key), cell) for cell in turn.cells]
    document = visit.tokens.get(model.name, np.zeros(0, dtype=np.int32))
    work = answers.answer_steps(model, document, asked, sides, question.sampling, visit.stop.is_set)
    with contextlib.closing(devices.in_turn(model.device, visit.stop.is_set, work)) as turns:
        for done in turns:
            for cell in turn.cells:
                cell.ahead = done.ahead if isinstance(done, Waiting) else 0
            yield
    for cell in turn.cells:
        if cell.state == Cell.WAITING:  # stopped in line
            cell.state = Cell.STOPPED


def _about(visit: Visit, model: Model) -> str:
    """The document's line, above the first question about it only."""
    line = describe(visit, model)
    return "" if any(turn.about == line for turn in visit.turns[:-1]) else line
