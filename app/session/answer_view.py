"""A conversation as the page draws it: plain data, every sentence ready. The texts in it are text, never HTML."""

import re
from collections.abc import Sequence
from typing import TypedDict

from app.session import answers, estimate, formatting, verdicts
from app.session.answers import Answer
from app.session.attended_passages import Passage
from app.session.device_sharing import Waiting
from app.session.markdown import Element, elements
from app.session.sessions import ConversationTurn
from app.session.verdicts import Verdict
from longsight.methods import Method

OPEN = Verdict("", "")
"""Of an answer that is not finished."""


class PassageView(TypedDict):
    """A passage of the document that an answer looked at: how hard and where, in words, and what stands around it."""

    said: str
    before: str
    text: str
    after: str


class CellView(TypedDict):
    """An answer, also as `elements` where it is Markdown; `progress` is how much is read, from 0 to 1, and None before
    and afterwards. `verdict`, `why` and `mood` are what a finished one amounts to, `lesson` what its failure shows;
    `unseen` says which turns above its writer knows nothing of, `passages` where in the document it looked."""

    title: str
    detail: str
    colour: str
    state: str
    text: str
    elements: list[Element | str] | None
    error: str
    verdict: str
    why: str
    mood: str
    lesson: str
    unseen: str
    passages: list[PassageView]
    progress: float | None
    status: str


class TurnView(TypedDict):
    """A question, what it is about, who answers where not all is by one model, how long its answers will take together,
    and they."""

    question: str
    about: str
    by: str
    left: str
    cells: list[CellView]


class ConversationView(TypedDict):
    """What `conversation.js` draws."""

    note: str
    asked: int
    turns: list[TurnView]


def conversation(turns: Sequence[ConversationTurn], note: str = "", asked: int = 0) -> ConversationView:
    """The value of the conversation on the page; `asked` questions were accepted there so far, forgotten ones too."""
    views = [turn_view(turn, place) for place, turn in enumerate(turns)]
    if len({turn.model for turn in turns}) > 1:
        for view, turn in zip(views, turns, strict=True):
            view["by"] = f"Answered by {turn.model}"
    taught = [cell for view in views for cell in view["cells"] if cell["lesson"]]
    for cell in taught[1:]:
        cell["lesson"] = ""
    return {"note": note, "asked": asked, "turns": views}


def turn_view(turn: ConversationTurn, before: int = 0) -> TurnView:
    """A turn as it is drawn after so many others."""
    verdict = [judged(cell, turn) for cell in turn.cells]
    cells = [_cell(cell, turn, found, verdict) for cell, found in zip(turn.cells, verdict, strict=True)]
    for view, cell in zip(cells, turn.cells, strict=True):
        view["unseen"] = formatting.unseen(cell.unseen, before).capitalize()
    return {"question": turn.question, "about": turn.about, "by": "", "left": _left(turn), "cells": cells}


def judged(cell: Answer, turn: ConversationTurn) -> Verdict:
    """What an answer amounts to, once it is finished."""
    return verdicts.verdict(cell.text, turn.keys) if cell.state == Answer.DONE else OPEN


def _left(turn: ConversationTurn) -> str:
    """How long until all are answered, or read where nothing was written with the model yet, others' turns included;
    empty for one answer, and where nobody knows."""
    waiting, open_cells = turn.waiting, [cell for cell in turn.cells if not cell.finished]
    own, what = answers.seconds_left(open_cells), "together"
    if own is None:
        own, what = estimate.total(cell.reading_left for cell in open_cells), "read together in"
    if len(open_cells) < 2 or not own or (waiting.others and waiting.seconds is None):
        return ""
    return f"{len(open_cells)} answers, {what} {formatting.about(own + (waiting.seconds or 0.0))}"


def _cell(cell: Answer, turn: ConversationTurn, judged: Verdict, beside: Sequence[Verdict]) -> CellView:
    read = cell.reused + cell.done
    return {
        "title": cell.run.label,
        "detail": parameters(cell.run.method),
        "colour": cell.run.colour,
        "state": cell.state,
        "text": shown(cell.text),
        "elements": elements(cell.text),
        "error": cell.error,
        "verdict": judged.word,
        "why": judged.why,
        "mood": judged.mood,
        "lesson": verdicts.lesson(cell.run.method, judged, beside, read, turn.train_length),
        "unseen": "",
        "passages": [passage_view(passage) for passage in cell.passages] if cell.finished else [],
        "progress": cell.done / cell.total if cell.state == Answer.READING and cell.total else None,
        "status": " · ".join(filter(None, STATUS[cell.state](cell, turn.cells, turn.waiting))),
    }


def passage_view(passage: Passage) -> PassageView:
    said = f"from token {passage.token:,} on: up to {passage.share:.0%} of a head's attention".replace("%", " %")
    return {"said": said, "before": passage.before, "text": passage.text, "after": passage.after}


def shown(text: str) -> str:
    """An answer from its first word to its last one, in which more than two empty lines in a row are counted."""
    return re.sub(r"\n{4,}", lambda run: f"\n… {len(run[0]) - 1} empty lines …\n", text.strip())


def blank(text: str) -> str:
    """How many empty lines stand around what is `shown` of an answer: a broken model may write little else."""
    begun = text.lstrip()
    before, after = text.removesuffix(begun).count("\n"), begun.removeprefix(begun.rstrip()).count("\n")
    if not begun:
        return f"nothing but {before:,} empty lines" if before > 1 else ""
    said = [f"{before:,} empty lines before it"] * (before > 1) + [f"{after:,} after it"] * (after > 1)
    return ", ".join(said)


def parameters(method: Method) -> str:
    """The parameters in one line, without the method's name."""
    return method.describe().removeprefix(method.title).strip(" ()")


def _waiting(cell: Answer, beside: Sequence[Answer], waiting: Waiting) -> list[str]:
    shared = str(waiting) if waiting.others else "waiting"
    left = _seconds_to_read(cell, beside, waiting)
    return [shared, "" if left is None else f"read in {formatting.about(left)}"]


def _reading(cell: Answer, beside: Sequence[Answer], waiting: Waiting) -> list[str]:
    left = _seconds_to_read(cell, beside, waiting)
    return [
        f"reading {formatting.short_count(cell.done)}/{formatting.short_count(cell.total)}",
        *_reused(cell),
        f"{formatting.short_count(cell.done / cell.read_seconds)} tok/s" if cell.read_seconds else "",
        "" if left is None else f"{formatting.duration(left)} left",
        str(waiting) if waiting.others else "",
    ]


def _seconds_to_read(cell: Answer, beside: Sequence[Answer], waiting: Waiting) -> float | None:
    """Seconds until this cell has read everything, others' turns included."""
    own = wall_seconds(cell, beside)
    return None if own is None or (waiting.others and waiting.seconds is None) else own + (waiting.seconds or 0.0)


def wall_seconds(cell: Answer, beside: Sequence[Answer]) -> float | None:
    """Seconds until this cell has read everything, while those beside it get an equal share of the device."""
    own = cell.left_seconds
    if own is None:
        return None
    lefts = [other.left_seconds for other in beside if other.state in (Answer.WAITING, Answer.READING)]
    return sum(min(own, left) for left in lefts if left is not None)


def _writing(cell: Answer, beside: Sequence[Answer], waiting: Waiting) -> list[str]:
    shared = str(waiting) if waiting.others else ""
    return ["writing", _write_speed(cell), blank(cell.text), f"cache {formatting.size(cell.cache_bytes)}", shared]


def _done(cell: Answer, beside: Sequence[Answer], waiting: Waiting) -> list[str]:
    return [
        f"read {cell.done:,} tokens in {formatting.duration(cell.read_seconds)}",
        f"{formatting.short_count(cell.done / cell.read_seconds)} tok/s" if cell.read_seconds else "",
        *_reused(cell),
        f"wrote {cell.written:,} at {_write_speed(cell)}",
        blank(cell.text),
        f"cache {formatting.size(cell.cache_bytes)}",
    ]


def _stopped(cell: Answer, beside: Sequence[Answer], waiting: Waiting) -> list[str]:
    if cell.written:
        return [f"stopped after {cell.written:,} tokens", f"cache {formatting.size(cell.cache_bytes)}"]
    if cell.done:
        return [f"stopped at {cell.done:,} of {cell.total:,} tokens, memory freed"]
    return ["stopped before it began"]


def _failed(cell: Answer, beside: Sequence[Answer], waiting: Waiting) -> list[str]:
    return ["not answered"]


STATUS = {
    Answer.WAITING: _waiting,
    Answer.READING: _reading,
    Answer.WRITING: _writing,
    Answer.DONE: _done,
    Answer.STOPPED: _stopped,
    Answer.FAILED: _failed,
}


def _reused(cell: Answer) -> list[str]:
    return [f"{cell.reused:,} reused"] if cell.reused else []


def _write_speed(cell: Answer) -> str:
    return f"{formatting.short_count(cell.written / cell.write_seconds)} tok/s" if cell.write_seconds else "0 tok/s"
