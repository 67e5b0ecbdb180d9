"""What the odometer does for a visitor, apart from the page: the document read over and over, in turn at the device."""

import html
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from analysis.drawing.drawn_figure import DrawnFigure
from analysis.evaluation.endless.long_reader import LongReading, check_endless
from analysis.evaluation.endless.long_text import LongText
from analysis.evaluation.endless.odometer_figure import odometer_figures
from analysis.evaluation.endless.odometer_record import OdometerRecord, record_of
from analysis.export.files import file_of
from analysis.runs import Run, make_runs, typed
from app.session import document_loading, estimate, finished_examples, formatting, progress_view, running
from app.session.device_jobs import DeviceJob
from app.session.device_sharing import Waiting
from app.session.estimate import Forecast, Work
from app.session.progress_view import DrawingPace, Pace
from app.session.sessions import Session
from longsight.errors import LongSightError
from longsight.generation.prefill import StepSize
from longsight.methods import Method
from longsight.models.model import Model
from longsight.progress import Progress, finish

TASK = "odometer"
MOST_TOKENS = 200_000_000
"""As far as LM-Infinite's figure 4 goes."""
PAUSE = 1.5  # seconds between two drawings of what is known so far, at least


@dataclass(frozen=True)
class LongRequest:
    """Something to read, checked. `problems`: why methods cannot, by the ids of their runs; `able`: the others."""

    model: Model
    runs: tuple[Run, ...]
    name: str
    ids: np.ndarray
    tokens: int
    problems: Mapping[str, str]

    @property
    def able(self) -> list[Method]:
        return [run.method for run in self.runs if run.id not in self.problems]


def check_tokens(text: Any) -> int:
    """Raises `LongSightError` unless `text` is a number of tokens that may be read."""
    tokens = typed.count("The length", text)
    if tokens > MOST_TOKENS:
        raise LongSightError(f"Up to {MOST_TOKENS:,} tokens are read here, but {tokens:,} were asked for.")
    return tokens


def make_request(session: Session, model: Model, methods: Sequence[Method], tokens: int) -> LongRequest:
    """Raises `LongSightError` where there is no text, or no method that can read it for ever."""
    session.check_kept()
    if session.document is None:
        raise LongSightError(
            "There is no text yet; choose an example document, upload a text, or paste one in the chat."
        )
    runs = make_runs([method.while_reading for method in methods])
    problems = {run.id: said for run in runs if (said := _problem(session, model, run.method, tokens))}
    if len(problems) == len(runs):
        raise LongSightError(next(iter(problems.values())))
    ids = finish(document_loading.document_steps(session.document, session, model)).ids
    return LongRequest(model, runs, session.document.name, ids, tokens, problems)


def _problem(session: Session, model: Model, method: Method, tokens: int) -> str:
    """Why the method cannot read so far, or not while others wait; empty where it can."""
    try:
        check_endless(model, method, tokens)
        estimate.check_memory(model, method, tokens)
        work = Work(f"{tokens:,} tokens", tokens, "Ask for fewer tokens")
        estimate.check_time(model, method, work, _forecast(model, method, tokens).seconds, session)
    except LongSightError as error:
        return str(error)
    return ""


def read_on(
    model: Model, methods: Sequence[Method], name: str, ids: np.ndarray, tokens: int
) -> Generator[Progress[OdometerRecord], None, None]:
    """Read `ids` (n,) over and over, up to so many `tokens`; yields what is known after each chunk."""

    def load() -> Iterator[np.ndarray]:
        yield ids

    reading = LongReading(model, methods, [LongText(name, ids.nbytes, load)], tokens, chunk=StepSize())
    for step in reading.steps():
        yield Progress(step.done, step.total, step.doing, record_of(reading, model.device.type))


def _forecast(model: Model, method: Method, tokens: int) -> Forecast:
    return Forecast(model, method, tokens, task=TASK)


def plan(request: LongRequest) -> str:
    """What reading will take, in one sentence."""
    forecasts = [_forecast(request.model, method, request.tokens) for method in request.able]
    several = f" with {len(forecasts)} methods" if len(forecasts) > 1 else ""
    what = f"{request.tokens:,} tokens{several}"
    seconds = estimate.total(forecast.seconds for forecast in forecasts)
    if seconds is None:
        return what
    return f"{what}: {formatting.about(seconds)}"


@dataclass(frozen=True)
class LongView:
    """How things stand: a line for the visitor, a cell for each run, and the figures, or None where they stay."""

    status: str
    sides: str
    figures: Sequence[DrawnFigure] | None = None


def read_steps(session: Session, request: LongRequest) -> Generator[LongView, None, None]:
    """Read for the visitor, in turn at the device; yields views, the last when all is read or was stopped."""
    pace, drawings, record = Pace(request.tokens), DrawingPace(PAUSE), None
    beside = finished_examples.odometer(request.model.name)
    job = DeviceJob(read_on, (request.model, request.able, request.name, request.ids, request.tokens))
    forecast = estimate.total(_forecast(request.model, method, request.tokens).seconds for method in request.able)

    def left() -> float | None:
        return forecast if record is None else pace.left(record.tokens)

    for step in running.run_steps(session, request.model.device, job, left):
        if isinstance(step, Waiting):
            yield LongView(progress_view.progress_bar(str(step)), _sides(request, record, "working"))
            continue
        record, figures = step.result, None
        said = progress_view.progress_bar(f"{step.doing} {pace.said(step.done)}", step.done / step.total)
        if record is not None and drawings.due():
            with drawings.drawing():
                session.odometer = record
                figures = odometer_figures(record, beside)
                yield LongView(said, _sides(request, record, "working"), figures)
        else:
            yield LongView(said, _sides(request, record, "working"))
    if record is None:
        yield LongView("<span>stopped before it began</span>", _sides(request, None, "stopped"))
        return
    session.odometer = record
    _learn(request, record)
    whole = record.tokens == request.tokens
    over = f"{record.tokens:,} tokens read" if whole else f"stopped at {record.tokens:,} of {request.tokens:,} tokens"
    told = _sides(request, record, "done" if whole else "stopped")
    yield LongView(f"<span>{over}{'' if whole else ', memory freed'}</span>", told, odometer_figures(record, beside))


def _learn(request: LongRequest, record: OdometerRecord) -> None:
    """How long it took is known from now on."""
    for method, seconds in zip(request.able, record.seconds.sum(1).tolist(), strict=True):
        pairs = estimate.pairs(method, record.tokens, rules=request.model.seam.rules(method))
        estimate.speed(request.model, TASK).add(record.tokens, pairs, max(seconds, 1e-6))


def _sides(request: LongRequest, record: OdometerRecord | None, state: str) -> str:
    """How every run is doing, as HTML."""
    able = [run.id for run in request.runs if run.id not in request.problems]
    part = 0.0 if record is None else record.tokens / request.tokens
    parts = [
        progress_view.side_view(run, "failed", "", request.problems[run.id])
        if run.id in request.problems
        else progress_view.side_view(run, state, _said(request, record, able.index(run.id)), part=part)
        for run in request.runs
    ]
    return f'<div class="sides">{"".join(parts)}</div>'


def _said(request: LongRequest, record: OdometerRecord | None, number: int) -> str:
    """The mean negative log-likelihood, the speed and the cache of one run."""
    if record is None:
        return "waiting"
    nll = record.mean_nll(record.inside(0, record.tokens))[number]
    speed = formatting.short_count(record.tokens / float(record.seconds[number].sum()))
    cache = formatting.size(request.model.cache_bytes(request.able[number], record.tokens))
    return f"NLL {nll:.3f} · {speed} tokens a second · cache {cache}"


def shown(session: Session, model_name: str) -> tuple[str, Sequence[DrawnFigure]]:
    """What there is to see without reading: a note, and the visitor's own reading or the recorded one of this model."""
    recorded = finished_examples.odometer(model_name)
    if session.odometer is not None:
        return "", odometer_figures(session.odometer, recorded if session.odometer.model == model_name else None)
    if recorded is None:
        return "Nothing was read this far with this model yet. Choose how far and press Run.", ()
    return _about(recorded), odometer_figures(recorded)


def _about(record: OdometerRecord) -> str:
    """A sentence about the recorded reading."""
    laps = int(record.lap[-1]) + 1
    again = f", in {laps:,} laps of the same text" if laps > 1 else ""
    what = f"{record.tokens:,} tokens{again}"
    return html.escape(f"A finished example, recorded with {record.model}: {what}. Press Run to read your own text.")


def files(kind: str, session: Session, model_name: str) -> tuple[str, dict[str, bytes]]:
    """The reading that the visitor sees as a file of a format."""
    record = session.odometer or finished_examples.odometer(model_name)
    if record is None:
        raise LongSightError("Nothing was read yet; press Run first.")
    return TASK, {f"longsight-{TASK}.{kind}": file_of(record, kind)}
