"""A visitor's question on its way: checked, put to the methods when the device is free, shown as it is answered."""

import contextlib
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Any

from analysis.runs import Run, make_runs
from app.session import (
    answer_view,
    answers,
    document_loading,
    estimate,
    given_numbers,
    running,
    suitability,
    verdicts,
)
from app.session.answer_view import ConversationView
from app.session.answers import Answer, Speaker
from app.session.device_jobs import DeviceJob
from app.session.device_sharing import line_of
from app.session.progress_view import DrawingPace
from app.session.sessions import ConversationTurn, Session
from longsight.errors import LongSightError
from longsight.generation.decode import Sampling
from longsight.methods import Method
from longsight.models.model import Model
from longsight.progress import until

MOST_CHARACTERS = 4000
"""Of a question. Anything longer is a document."""

MOST_NEW_TOKENS = 1024
ANSWERING = "The last question is still being answered; stop it first, or wait."
TICK = 0.25  # seconds between two pictures of the conversation: each costs the visitor's machine some work


@dataclass(frozen=True)
class ChatQuestion:
    """A question that has passed every check."""

    text: str
    runs: tuple[Run, ...]
    sampling: Sampling


def check_question(text: Any, methods: Sequence[Method], longest: Any, temperature: Any, seed: Any) -> ChatQuestion:
    """Raises `LongSightError` unless there is a question of a sensible length and sampling that can be done."""
    text = str(text or "").strip()
    if not text:
        raise LongSightError("There is no question yet; type one, for example: What is the pass key?")
    if len(text) > MOST_CHARACTERS:
        raise LongSightError(
            f"The question has {len(text):,} characters; up to {MOST_CHARACTERS:,} are read. "
            "Paste a long text as a document."
        )
    sampling = Sampling(check_temperature(temperature), seed=check_seed(seed), max_new_tokens=check_longest(longest))
    return ChatQuestion(text, make_runs(methods), sampling)


def check_longest(tokens: Any) -> int:
    """Raises `LongSightError` unless an answer may have so many `tokens`."""
    return given_numbers.whole("The longest answer", tokens, 1, MOST_NEW_TOKENS, "tokens")


def check_temperature(temperature: Any) -> float:
    """Raises `LongSightError` unless it is a temperature."""
    return Sampling(given_numbers.number("The temperature", temperature)).temperature


def check_seed(seed: Any) -> int:
    """Raises `LongSightError` unless random choices can begin with it."""
    return given_numbers.whole("The seed", seed, 0, 2**63 - 1)


def ask_steps(session: Session, model: Model, question: ChatQuestion) -> Generator[ConversationView, None, None]:
    """Put a question to its methods; yields pictures of the conversation, several a second, the last when all is done.

    Closing the generator, or `session.stop`, ends the work, frees what was being read, and lets the next visitor in.
    """
    with running.at_work(session, ANSWERING):
        session.check_kept()
        cells = [Answer(run) for run in question.runs]
        turn = ConversationTurn(
            question.text, "", cells, model.train_length, model=model.name, sampling=question.sampling
        )
        session.turns.append(turn)
        session.asked += 1
        session.begun = True
        drawings = DrawingPace(TICK)
        try:
            with contextlib.closing(_answer(session, model, question, turn)) as steps:
                for _ in steps:
                    drawings.pause = TICK * (1 + turn.others)
                    if drawings.due():
                        with drawings.drawing():
                            yield answer_view.conversation(session.turns, asked=session.asked)
            yield answer_view.conversation(session.turns, asked=session.asked)
        finally:
            if session.left:
                session.free()


def _answer(
    session: Session, model: Model, question: ChatQuestion, turn: ConversationTurn
) -> Generator[None, None, None]:
    """Yields, the first time at once, whenever there may be something new to see."""
    try:
        yield
        for step in until(session.stop.is_set, document_loading.tokens_steps(session, model)):
            turn.about = f"{step.doing} …"
            yield
        if not session.stop.is_set():
            turn.about, turn.keys = _about(session, model), _keys(session, question.text)
            yield from _answer_in_turn(session, model, question, turn)
    except LongSightError as error:
        for cell in turn.cells:
            cell.fail(str(error))
    finally:
        for cell in turn.cells:
            if not cell.finished:  # stopped before its first turn, or where it could not say so itself
                cell.stop()


def _answer_in_turn(
    session: Session, model: Model, question: ChatQuestion, turn: ConversationTurn
) -> Generator[None, None, None]:
    speakers = session.let_speak(model.name, [run.method for run in question.runs])
    sides, document = list(zip(speakers, turn.cells, strict=True)), session.tokens.get(model.name)
    for speaker, cell in sides:
        cell.unseen = speaker.unseen(len(session.turns) - 1)
        _expect(session, model, speaker, cell, question.sampling.max_new_tokens)
    able = [(speaker, cell) for speaker, cell in sides if not cell.finished]
    if not able:
        return
    cells = turn.cells
    left, wordless = (lambda: answers.seconds_left(cells)), (lambda: answers.wordless(cells))
    with line_of(model.device).place(session, left, wordless) as turn.place:
        asked = (model, document, question.text, able, question.sampling)
        job = DeviceJob(answers.answer_steps, asked, changing=tuple(part for side in able for part in side))
        with contextlib.closing(turn.place.take_turns(job, session.stop.is_set)) as steps:
            for _ in steps:
                yield
    turn.place = None
    for _, cell in able:
        cell.learn(model)


def _expect(session: Session, model: Model, speaker: Speaker, cell: Answer, longest: int) -> None:
    """Forecast a side's reading and its writing of `longest` tokens; one that others would wait for too long for fails,
    and says what they would not."""
    method, tokens = cell.run.method, document_loading.token_count(session, model) + document_loading.ANSWER_ROOM
    reused = speaker.remembers(method)
    forecast = estimate.Forecast(model, method, max(tokens, reused), reused)
    cell.left_seconds, cell.answer_seconds = forecast.seconds, estimate.write_seconds(model, longest)
    try:
        suitability.check(model, method)
        estimate.check_time(model, method, estimate.reading(model, tokens), forecast.seconds, session)
    except LongSightError as error:
        cell.fail(str(error))


def _about(session: Session, model: Model) -> str:
    """The document's line, above the first question about it only."""
    line = document_loading.describe(session, model)
    return "" if any(turn.about == line for turn in session.turns[:-1]) else line


def _keys(session: Session, question: str) -> frozenset[str]:
    return frozenset() if session.document is None else verdicts.hidden_keys(session.document.text, question)
