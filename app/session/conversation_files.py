"""A conversation as a file: what was asked and answered, by which model and method, with all that it depended on."""

import json
import re
from dataclasses import asdict
from hashlib import sha256
from typing import Any

import longsight
from analysis.evaluation.worker import versions
from app.session import formatting, verdicts
from app.session.answers import Answer
from app.session.sessions import ConversationTurn, Session
from longsight.errors import LongSightError

FORMATS = ("md", "json")


def files(kind: str, session: Session) -> tuple[str, dict[str, bytes]]:
    """The visitor's conversation as a file of a format, and its name. Raises `LongSightError` before there is one."""
    if not session.turns:
        raise LongSightError("Nothing has been asked yet; a conversation can be saved after its first question.")
    told = conversation(session)
    text = markdown(told) if kind == "md" else json.dumps(told, indent=1, ensure_ascii=False) + "\n"
    return "longsight-conversation", {f"longsight-conversation.{kind}": text.encode()}


def conversation(session: Session) -> dict[str, Any]:
    """All of it as plain data. Of the document it says what tells it from others, not what it says."""
    document = session.document
    return {
        "versions": {"longsight": longsight.__version__, **versions()},
        "document": document and {
            "name": document.name, "bytes": document.nbytes, "characters": len(document.text),
            "sha256": sha256(document.text.encode()).hexdigest(),
        },
        "turns": [_turn(turn) for turn in session.turns],
    }  # fmt: skip


def _turn(turn: ConversationTurn) -> dict[str, Any]:
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


def _answer(cell: Answer, turn: ConversationTurn) -> dict[str, Any]:
    judged = verdicts.verdict(cell.text, turn.keys) if cell.state == Answer.DONE else None
    return {
        "method": cell.run.key,
        "label": cell.run.label,
        "parameters": asdict(cell.run.method),
        "state": cell.state,
        "text": cell.text,
        "error": cell.error,
        "verdict": judged and judged.word,
        "why": judged and judged.why,
        "turns_not_seen": cell.unseen,
        "tokens_read": cell.done,
        "tokens_reused": cell.reused,
        "seconds_reading": cell.read_seconds,
        "tokens_written": cell.written,
        "seconds_writing": cell.write_seconds,
        "cache_bytes": cell.cache_bytes,
    }


def markdown(told: dict[str, Any]) -> str:
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


def _facts(answer: dict[str, Any]) -> list[str]:
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
