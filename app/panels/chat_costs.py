"""What the next question will cost, in a line above the question box."""

import html
from collections.abc import Sequence

from analysis.runs import Run, make_runs
from app.session import devices, document_loading, estimate, formatting
from app.session.answers import Speaker
from app.session.estimate import Forecast
from app.session.sessions import Session
from longsight.methods import Method
from longsight.models.model import Model


def costs_view(session: Session, model: Model, methods: Sequence[Method], note: str = "") -> str:
    """For each method what it will keep and how long it will read, and how long all of them together; nothing where
    there is no text to read."""
    tokens = document_loading.token_count(session, model)
    if tokens == 0:
        return ""
    speakers = session.speakers_for(model.name, methods)
    sides = list(zip(make_runs(methods), speakers, strict=True))
    expected = [_expected(model, speaker, run.method, tokens) for run, speaker in sides]
    parts = "".join(_cost(model, *side, tokens, forecast) for side, forecast in zip(sides, expected, strict=True))
    together = estimate.total(forecast.seconds for forecast in expected)
    total = f"<span>together {formatting.about(together)}</span>" if together is not None and len(methods) > 1 else ""
    anew = "<span>the text is read anew for each, as the GPU is lent for one at a time</span>" if devices.LENT else ""
    return f'<div class="costs"><span>Next question</span>{parts}{total}{anew}<span>{note}</span></div>'


def _expected(model: Model, speaker: Speaker, method: Method, tokens: int) -> Forecast:
    reused = speaker.remembers(method)
    reused = reused if reused < tokens + document_loading.ANSWER_ROOM else 0
    return Forecast(model, method, max(tokens, reused), reused)


def _cost(model: Model, run: Run, speaker: Speaker, tokens: int, forecast: Forecast) -> str:
    method, reused = run.method, forecast.reused
    head = f'<span class="cost" style="--method:{run.colour}"><b>{html.escape(run.label)}</b> '
    if not estimate.fits(model, method, tokens, speaker.nbytes):
        return f"{head}<em>cache of {formatting.size(model.cache_bytes(method, tokens))} does not fit here</em></span>"
    again = f"{reused:,} tokens reused, " if reused else ""
    memory = formatting.size(model.cache_bytes(method, max(tokens, reused)))
    seconds = "" if forecast.seconds is None else f", {formatting.about(forecast.seconds)}"
    return f"{head}{again}cache {memory}{seconds}</span>"
