"""What programs are told of work that may go on for long: the odometer and evaluations, as far as they are."""

from typing import TypedDict

from analysis.evaluation.endless.odometer_record import OdometerRecord
from analysis.evaluation.results import read_rows
from analysis.evaluation.row import Row
from analysis.runs import Run
from app.session.evaluations import EvaluationRequest
from app.session.long_readings import LongRequest
from app.session.program_results import DocumentResult, RecordResult, document_result, named, record_result
from app.session.sessions import Session


class LongRunResult(TypedDict):
    """How one method reads on and on. `nll`: the mean of all tokens [nats]; `error` says why it cannot."""

    method: str
    label: str
    error: str
    nll: float | None
    seconds: float
    cache_bytes: int


class OdometerResult(TypedDict):
    """`tokens`: how many were read; `record`: all along the way."""

    doing: str
    document: DocumentResult | None
    tokens: int
    runs: list[LongRunResult]
    record: RecordResult | None


class EvaluatedResult(TypedDict):
    """A cell of an evaluation: the means of its scores, or why it was `refused`. `line`: what `results.jsonl` has of
    it, None where that was not asked for."""

    task: str
    method: str
    length: int
    scores: dict[str, float]
    refused: str
    seconds: float
    line: str | None


class EvaluateResult(TypedDict):
    """`cells`: how many were asked for; `results`: those that are done or refused so far."""

    doing: str
    cells: int
    results: list[EvaluatedResult]


def odometer_result(
    session: Session, request: LongRequest, record: OdometerRecord | None, doing: str = "", whole: bool = False
) -> OdometerResult:
    """What was read so far; `whole`: with every number."""
    return {
        "doing": doing,
        "document": document_result(session, request.model),
        "tokens": 0 if record is None else record.tokens,
        "runs": [_long_run(request, run, record) for run in request.runs],
        "record": None if record is None else record_result("odometer", record, whole),
    }


def _long_run(request: LongRequest, run: Run, record: OdometerRecord | None) -> LongRunResult:
    able = [each.id for each in request.runs if each.id not in request.problems]
    known = record if run.id in able else None
    number = able.index(run.id) if run.id in able else 0
    return {
        "method": named(request.model, run), "label": run.label, "error": request.problems.get(run.id, ""),
        "nll": None if known is None else float(known.mean_nll(known.inside(0, known.tokens))[number]),
        "seconds": 0.0 if known is None else round(float(known.seconds[number].sum()), 4),
        "cache_bytes": 0 if known is None else request.model.cache_bytes(run.method, known.tokens),
    }  # fmt: skip


def evaluate_result(
    session: Session, request: EvaluationRequest, doing: str = "", whole: bool = False
) -> EvaluateResult:
    """The cells that were asked for and are done; `whole`: with every case."""
    keys = {cell.key for cell in request.cells}
    rows = [] if session.results is None else read_rows(session.results.content, session.results.name)
    return {
        "doing": doing,
        "cells": len(keys),
        "results": [_evaluated(row, whole) for row in rows if row.cell in keys],
    }


def _evaluated(row: Row, whole: bool) -> EvaluatedResult:
    return {
        "task": row.task.text, "method": row.method.text, "length": row.length, "scores": dict(row.scores),
        "refused": row.refused or "", "seconds": round(float(row.run.seconds), 4),
        "line": row.line().decode() if whole else None,
    }  # fmt: skip
