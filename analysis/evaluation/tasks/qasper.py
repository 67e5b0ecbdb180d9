"""Qasper (Dasigi et al. 2021, arXiv 2105.03011): questions about research papers, from the original files or the Hub;
and its answer score."""

import json
import logging
import re
import string
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from longsight.errors import LongSightError

log = logging.getLogger(__name__)

HUB = "hub"
"""Stands for the data set on the Hub."""
HUB_NAME, HUB_REVISION, SPLIT = "allenai/qasper", "refs/convert/parquet", "validation"
"""The Hub's own conversion, because the data set itself comes with code, which is never run."""

ARTICLES = re.compile(r"\b(a|an|the)\b")
PUNCTUATION = str.maketrans("", "", string.punctuation)


@dataclass(frozen=True)
class QasperQuestion:
    """A question about a paper, and what its annotators answered."""

    name: str
    text: str
    question: str
    answers: tuple[str, ...]


def read_qasper(source: str) -> list[QasperQuestion]:
    """The questions of an original JSON file, of a folder of parquet files, or of the Hub ("hub"); those that nobody
    answered are left out, and logged.

    Raises `LongSightError` when there is nothing of the kind, or `datasets` is needed and not installed.
    """
    questions = _all_questions(source)
    answered = [question for question in questions if question.answers]
    if not answered:
        raise LongSightError(
            f"{source!r} has {len(questions):,} questions and no answers to them; give a set with answers."
        )
    if left := len(questions) - len(answered):
        log.warning("%s: left out %d of %d questions, which have no answer.", source, left, len(questions))
    return answered


def _all_questions(source: str) -> list[QasperQuestion]:
    if source == HUB or Path(source).is_dir():
        return [question for paper in _hub_papers(source) for question in _questions(paper)]
    try:
        papers = json.loads(Path(source).read_bytes())  # UTF-8, 16 or 32, with or without a mark
        return [question for name, paper in papers.items() for question in _questions({"id": name, **paper})]
    except (OSError, ValueError, AttributeError, KeyError, TypeError) as problem:
        raise LongSightError(
            f"{source!r} cannot be read as Qasper ({type(problem).__name__}: {problem}); give an original JSON file, "
            f'a folder of parquet files, or "{HUB}".'
        ) from problem


def _hub_papers(source: str) -> Iterator[dict[str, Any]]:
    """The papers of a data set of the Hub, in the shape of the original files: there, lists are columns."""
    try:
        from datasets import load_dataset
    except ImportError as problem:
        raise LongSightError(
            "Qasper from the Hub or from parquet files needs the package datasets, which is not installed: "
            "pip install datasets, or give an original JSON file."
        ) from problem
    where = {"path": HUB_NAME, "revision": HUB_REVISION} if source == HUB else {"path": source}
    try:
        papers = load_dataset(**where, split=SPLIT)
    except Exception as problem:  # datasets raises whatever its many readers raise
        raise LongSightError(f"Qasper cannot be had from {where['path']}: {problem}") from problem
    for paper in papers:
        sections, qas = paper["full_text"], paper["qas"]
        yield {
            **paper,
            "full_text": [
                {"section_name": name, "paragraphs": paragraphs}
                for name, paragraphs in zip(sections["section_name"], sections["paragraphs"], strict=True)
            ],
            "qas": [
                {"question": question, "question_id": name, "answers": [{"answer": a} for a in answers["answer"]]}
                for question, name, answers in zip(qas["question"], qas["question_id"], qas["answers"], strict=True)
            ],
        }


def _questions(paper: dict[str, Any]) -> Iterator[QasperQuestion]:
    sections = [f"{part['section_name'] or ''}\n" + "\n".join(part["paragraphs"]) for part in paper["full_text"]]
    text = "\n\n".join([paper["title"], paper["abstract"], *sections])
    for asked in paper["qas"]:
        answers = tuple(dict.fromkeys(_answer(given["answer"]) for given in asked["answers"]))
        yield QasperQuestion(asked["question_id"], text, asked["question"], answers)


def _answer(given: dict[str, Any]) -> str:
    """An annotator's answer as the official evaluation reads it."""
    if given["unanswerable"]:
        return "Unanswerable"
    if given["extractive_spans"]:
        return ", ".join(given["extractive_spans"])
    if given["free_form_answer"]:
        return str(given["free_form_answer"])
    if given["yes_no"] is None:
        raise LongSightError(f"An answer of Qasper is empty: {given}.")
    return "Yes" if given["yes_no"] else "No"


def token_f1(answer: str, references: Sequence[str]) -> float:
    """The best token F1 with any of the references: Qasper's official score, which is that of SQuAD 1.1
    (Rajpurkar et al. 2016, arXiv 1606.05250)."""
    return max(_f1(normalised(answer), normalised(reference)) for reference in references)


def normalised(text: str) -> list[str]:
    """The words of a text in lower case, without punctuation and articles."""
    return ARTICLES.sub(" ", text.lower().translate(PUNCTUATION)).split()


def _f1(answer: list[str], reference: list[str]) -> float:
    same = sum((Counter(answer) & Counter(reference)).values())
    return 2 * same / (len(answer) + len(reference)) if same else 0.0
