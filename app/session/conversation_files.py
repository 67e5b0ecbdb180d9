"""A conversation as a file: what was asked and answered, by which model and method, with all that it depended on."""

import json
import re
from dataclasses import asdict
from hashlib import sha256
from typing import TypedDict

import longsight
from analysis.evaluation.worker import versions
from app.session import formatting, verdicts
from app.session.answers import Answer
from app.session.documents import Document
from app.session.sessions import ConversationTurn, Session
from longsight.errors import LongSightError

FORMATS = ("md", "json")


class SavedDocument(TypedDict):
    """What tells a document from others, not what it says."""

    name: str
    bytes: int
    characters: int
    sha256: str


class SavedPassage(TypedDict):
    """A passage of the document that was looked at, from its `token` on, with up to a `share` of a head's attention."""

    token: int
    text: str
    share: float


class SavedAnswer(TypedDict):
    """An answer of a method with its `parameters`; `verdict` and `why` None where it did not come to its end."""

    method: str
    label: str
    parameters: dict[str, int | float | str]
    state: str
    text: str
    error: str
    verdict: str | None
    why: str | None
    turns_not_seen: int
    passages: list[SavedPassage]
    tokens_read: int
    tokens_reused: int
    seconds_reading: float
    tokens_written: int
    seconds_writing: float
    cache_bytes: int


class SavedTurn(TypedDict):
    """A question to a model of `train_length` tokens, and how its answers were chosen."""

    question: str
    about: str
    model: str
    train_length: int
    longest: int
    temperature: float
    seed: int | None
    answers: list[SavedAnswer]


class SavedConversation(TypedDict):
    """All of it. `versions` by the name of the package."""

    versions: dict[str, str]
    document: SavedDocument | None
    turns: list[SavedTurn]


def files(kind: str, session: Session) -> tuple[str, dict[str, bytes]]:
    """The visitor's conversation as a file of a format, and its name. Raises `LongSightError` before there is one."""
    if not session.turns:
        raise LongSightError("Nothing has been asked yet; a conversation can be saved after its first question.")
    told = conversation(session)
    text = markdown(told) if kind == "md" else json.dumps(told, indent=1, ensure_ascii=False) + "\n"
    return "longsight-conversation", {f"longsight-conversation.{kind}": text.encode()}


def conversation(session: Session) -> SavedConversation:
    """All of it as plain data."""
    return {
        "versions": {"longsight": longsight.__version__, **versions()},
        "document": None if session.document is None else _document(session.document),
        "turns": [_turn(turn) for turn in session.turns],
    }


def _document(document: Document) -> SavedDocument:
    return {
        "name": document.name,
        "bytes": document.nbytes,
        "characters": len(document.text),
        "sha256": sha256(document.text.encode()).hexdigest(),
    }


def _turn(turn: ConversationTurn) -> SavedTurn:
    return {
        "question": turn.question,
        "about": turn.about,
        "model": turn.model,
        "train_length": turn.train_length,
        "longest": turn.sampling.max_new_tokens,
        "temperature": turn.sampling.temperature,
        "seed": turn.sampling.seed,
        "answers": [_answer(cell, turn) for cell in turn.cells],
    }


def _answer(cell: Answer, turn: ConversationTurn) -> SavedAnswer:
    judged = verdicts.verdict(cell.text, turn.keys) if cell.state == Answer.DONE else None
    return {
        "method": cell.run.key,
        "label": cell.run.label,
        "parameters": asdict(cell.run.method),
        "state": cell.state,
        "text": cell.text,
        "error": cell.error,
        "verdict": None if judged is None else judged.word,
        "why": None if judged is None else judged.why,
        "turns_not_seen": cell.unseen,
        "passages": [{"token": each.token, "text": each.text, "share": each.share} for each in cell.passages],
        "tokens_read": cell.done,
        "tokens_reused": cell.reused,
        "seconds_reading": cell.read_seconds,
        "tokens_written": cell.written,
        "seconds_writing": cell.write_seconds,
        "cache_bytes": cell.cache_bytes,
    }


def markdown(told: SavedConversation) -> str:
    """The same to be read. What was asked and answered stands in fences, so that it stays what it was."""
    lines = ["# A conversation", ""]
    if told["document"]:
        lines += [
            f"The document: {_plain(told['document']['name'])}, {told['document']['characters']:,} characters.",
            "",
        ]
    for number, turn in enumerate(told["turns"], 1):
        settings = f"longest answer {turn['longest']}, temperature {turn['temperature']}, seed {turn['seed']}"
        lines += [f"## {number}", "", *_fenced(turn["question"]), f"{turn['model']}, {settings}.", ""]
        for answer in turn["answers"]:
            lines += [f"### {answer['label']}", "", *_fenced(answer["text"] or answer["error"]), *_facts(answer), ""]
    used = ", ".join(f"{name} {version}" for name, version in told["versions"].items())
    return "\n".join([*lines, f"Made with {used}.", ""])


def _facts(answer: SavedAnswer) -> list[str]:
    parameters = ", ".join(f"{name}={value}" for name, value in answer["parameters"].items())
    verdict = f"{answer['verdict']}: {answer['why']}" if answer["verdict"] else answer["state"]
    return [
        f"- {verdict}",
        f"- `{answer['method']}` with {parameters}",
        f"- read {answer['tokens_read']:,} tokens in {formatting.duration(answer['seconds_reading'])}, "
        f"{answer['tokens_reused']:,} reused, wrote {answer['tokens_written']:,}",
    ]


def _fenced(text: str) -> list[str]:
    longest = max(map(len, re.findall(r"~+", text)), default=0)
    fence = "~" * max(longest + 1, 3)
    return [fence, text, fence, ""]


def _plain(text: str) -> str:
    return re.sub(r"([\\`*_\[\]<>#])", r"\\\1", " ".join(text.split()))
