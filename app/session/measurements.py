"""What the diagnostics do for a visitor, apart from the page: a request checked, measured step by step, and drawn."""

import time
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any

import numpy as np

from analysis.diagnostics import comparing
from analysis.diagnostics.base import Panel
from analysis.diagnostics.comparing import Side
from analysis.diagnostics.measuring import ResultCache, Text, check_texts
from analysis.drawing.drawn_figure import DrawnFigure
from analysis.export.files import file_of
from analysis.runs import Run
from app.session import (
    document_loading,
    estimate,
    formatting,
    given_numbers,
    model_catalogue,
    progress_view,
    running,
    suitability,
)
from app.session.device_jobs import DeviceJob
from app.session.device_sharing import Waiting
from app.session.estimate import Forecast, Work
from app.session.measurement_request import Measurement, MeasurementRequest
from app.session.progress_view import DrawingPace, Pace
from app.session.samples import sample
from app.session.sessions import Session
from longsight.errors import LongSightError
from longsight.generation.prefill import StepSize
from longsight.generation.text_encoding import encoder_of
from longsight.methods import Method
from longsight.models.model import Model
from longsight.progress import finish

MOST_TOKENS = 131_072
FEWEST_TOKENS = 8
PAUSE = 1.5  # seconds between two drawings of what is known so far, at least

result_cache = ResultCache()
"""What was measured, of all visitors: only who has the same text can meet them."""


def check_length(length: Any) -> int:
    """Raises `LongSightError` unless `length` is a number of tokens that can be measured."""
    return given_numbers.whole("The length", length, FEWEST_TOKENS, MOST_TOKENS, "tokens")


def read_texts(session: Session, model: Model, panel: Panel, length: int, others: Sequence[str]) -> tuple[Text, ...]:
    """The beginning of the visitor's document, and of the example documents `others` where the panel shows several."""
    session.check_kept()
    if session.document is None:
        raise LongSightError(
            "There is no text yet; choose an example document, upload a text, or paste one in the chat."
        )
    encoded = finish(document_loading.document_steps(session.document, session, model))
    texts = [Text(session.document.name, encoded.ids[:length])]
    if panel.texts > 1:
        picked = [sample(key) for key in others]
        texts += [
            Text(entry.title, _sample_ids(model.name, entry.key)[:length])
            for entry in picked
            if entry.title != session.document.name
        ]
    check_texts(panel, texts)
    return tuple(texts)


@lru_cache(maxsize=8)
def _sample_ids(model_name: str, key: str) -> np.ndarray:
    return finish(encoder_of(model_catalogue.model(model_name).tokenizer).steps(sample(key).document().text)).ids


def plan(request: MeasurementRequest) -> str:
    """What measuring will take, in one sentence."""
    what = _what(request)
    several = f" with {len(request.runs)} methods" if len(request.runs) > 1 else ""
    seconds = estimate.total(_forecast(request, run.method) for run in request.runs)
    return f"{what}{several}" if seconds is None else f"{what}{several}: {formatting.about(seconds)}"


def _what(request: MeasurementRequest) -> str:
    """How much is read with each method."""
    several = f"{len(request.texts)} texts of up to " if len(request.texts) > 1 else ""
    return f"{several}{request.tokens:,} tokens"


def _forecast(request: MeasurementRequest, method: Method) -> float | None:
    """Seconds for all texts together."""
    texts = [len(text.ids) for text in request.texts]
    return estimate.total(Forecast(request.model, method, tokens, task=request.task).seconds for tokens in texts)


def from_cache(request: MeasurementRequest) -> list[Side] | None:
    """The sides, if nothing has to be read for them."""
    return comparing.from_cache(
        request.model, request.texts, request.runs, request.panel, request.options, result_cache
    )


@dataclass(frozen=True)
class MeasurementFigures:
    """What there is to draw: figures, HTML about runs by their id, and a note on the marked token."""

    runs: Sequence[Run]
    figures: Sequence[DrawnFigure]
    texts: Mapping[str, str]
    note: str


@dataclass(frozen=True)
class MeasurementView:
    """How things stand: a line for the visitor, a cell for each run, and the figures, or None where they stay."""

    status: str
    sides: str
    figures: MeasurementFigures | None = None


def measure_steps(session: Session, request: MeasurementRequest) -> Generator[MeasurementView, None, None]:
    """Measure for the visitor, in turn at the device; yields views, the last when all is done or was stopped."""
    sides = [Side(run) for run in request.runs]
    forecasts = {run.id: Forecast(request.model, run.method, request.tokens, task=request.task) for run in request.runs}
    for side in sides:
        _check_cost(session, request, side)
    asked = (request.model, request.texts, sides, request.panel, request.options, result_cache, StepSize())
    job = DeviceJob(comparing.compare_steps, asked, changing=tuple(sides))
    session.measurement = Measurement(request, sides)
    drawings, latest = DrawingPace(PAUSE), None
    for step in running.run_steps(session, request.model.device, job, lambda: _seconds_left(sides, forecasts)):
        if isinstance(step, Waiting):
            yield MeasurementView(progress_view.progress_bar(str(step)), sides_view(sides, forecasts))
        elif step.state == comparing.DONE or drawings.due():
            with drawings.drawing():
                latest = draw(request, sides)
                yield MeasurementView("", sides_view(sides, forecasts), latest)
        else:
            yield MeasurementView("", sides_view(sides, forecasts))
    for side in sides:
        if side.state in (comparing.WAITING, comparing.WORKING):  # stopped before its first turn, or far away
            side.state = comparing.STOPPED
        if side.state == comparing.DONE and side.done and len(request.texts) == 1:
            forecasts[side.run.id].learn(side.seconds)
    yield MeasurementView("", sides_view(sides, forecasts), latest)  # once more: the page may have dropped it


def _seconds_left(sides: Sequence[Side], forecasts: Mapping[str, Forecast]) -> float | None:
    """Forecast of what all sides still need of the device."""
    lefts: list[float | None] = []
    for side in sides:
        forecast = forecasts[side.run.id]
        if side.state == comparing.WORKING:
            lefts.append(forecast.left(side.done, side.seconds))
        elif side.state == comparing.WAITING:
            lefts.append(forecast.seconds)
    return estimate.total(lefts)


def _check_cost(session: Session, request: MeasurementRequest, side: Side) -> None:
    seconds = _forecast(request, side.run.method)
    work = Work(_what(request), request.tokens, seconds=partial(_forecast, request))
    for text in request.texts:
        try:
            suitability.check(request.model, side.run.method)
            estimate.check_memory(request.model, side.run.method, len(text.ids))
            estimate.check_time(request.model, side.run.method, work, seconds, session)
        except LongSightError as error:
            side.fail(str(error))


def draw(request: MeasurementRequest, sides: Sequence[Side]) -> MeasurementFigures:
    """Everything that there is to draw."""
    panel, options = request.panel, request.options
    texts = {
        side.run.id: said for side in sides if side.records is not None and (said := panel.words(side.records, options))
    }
    return MeasurementFigures(request.runs, comparing.figures(sides, panel, options), texts, _marked(request))


def _marked(request: MeasurementRequest) -> str:
    mark = request.options.mark
    word = None if mark is None else comparing.word_at(request.model, request.texts[0], mark)
    return "" if word is None else f"Marked: position {mark:,}, {word}"


def sides_view(sides: Sequence[Side], forecasts: Mapping[str, Forecast]) -> str:
    """How far each run is, as HTML; `forecasts` by the id of the run."""
    return f'<div class="sides">{"".join(_side(side, forecasts.get(side.run.id)) for side in sides)}</div>'


def _side(side: Side, forecast: Forecast | None) -> str:
    part = side.done / side.total if side.total else None
    return progress_view.side_view(side.run, side.state, _said(side, forecast), side.error, part)


def _said(side: Side, forecast: Forecast | None) -> str:
    if side.state == comparing.WORKING:
        if side.doing != "reading":
            return side.doing
        pace = Pace(side.total, start=time.perf_counter() - side.seconds)
        left = None if forecast is None else forecast.left(side.done, side.seconds)
        return f"reading {pace.said(side.done, left)}"
    if side.state == comparing.DONE:
        if not side.done:
            return "measured before"
        return f"{side.done:,} tokens in {formatting.duration(side.seconds)}"
    if side.state == comparing.STOPPED and side.done:
        return f"stopped at {side.done:,} of {side.total:,} tokens, memory freed"
    return {comparing.STOPPED: "stopped before it began", comparing.WAITING: "waiting"}.get(side.state, "")


def files(kind: str, session: Session) -> tuple[str, dict[str, bytes]]:
    """The records that the visitor sees as files of a format, and a name for all of them."""
    mine = session.measurement
    measured = [] if mine is None else [side for side in mine.sides if side.records is not None]
    if mine is None or not measured:
        raise LongSightError("Nothing has been measured yet; press Run first.")
    names = mine.request.panel.names(mine.request.options)
    return f"longsight-{mine.request.panel.key}", {
        f"{name}-{side.run.id}.{kind}": file_of(record, kind)
        for side in measured
        for name, record in zip(names, side.records or (), strict=True)
    }
