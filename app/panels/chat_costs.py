"""What the next question will cost, in a line above the question box."""

import html
from collections.abc import Sequence

from analysis.runs import Run, make_runs
from app.session import devices, document_loading, estimate, formatting, suitability
from app.session.answers import Speaker
from app.session.estimate import Forecast
from app.session.sessions import Session
from longsight.methods import Method
from longsight.models.model import Model


def costs_view(session: Session, model: Model, methods: Sequence[Method], note: str = "") -> str:
    """For each method what it will keep and how long it will read, and how long all of them together; nothing where
    there is no text to read. And who knows nothing of the conversation so far."""
    tokens = document_loading.token_count(session, model)
    sides = list(zip(make_runs(methods), session.speakers_for(model.name, methods), strict=True))
    unseen = _unseen(session, model, sides)
    if tokens == 0:
        return f'<div class="costs">{unseen}</div>' if unseen else ""
    expected = [_expected(model, speaker, run.method, tokens) for run, speaker in sides]
    parts = "".join(_cost(model, *side, tokens, forecast) for side, forecast in zip(sides, expected, strict=True))
    able = [forecast for forecast in expected if not suitability.refusal(model, forecast.method)]
    together = estimate.total(forecast.seconds for forecast in able)
    total = f", together <b>{formatting.about(together)}</b>" if together is not None and len(able) > 1 else ""
    anew = "<span>the text is read anew for each, as the GPU is lent for one at a time</span>" if devices.LENT else ""
    return f'<div class="costs"><span>Next question{total}</span>{parts}{anew}{unseen}<span>{note}</span></div>'


def _unseen(session: Session, model: Model, sides: Sequence[tuple[Run, Speaker]]) -> str:
    """Who will answer without having seen all turns of the conversation, as HTML: another model, or other methods."""
    turns = len(session.turns)
    missed = {run.label: speaker.unseen(turns) for run, speaker in sides}
    new = not any(speaker.exchanges for speaker in session.speakers.get(model.name, ()))
    if new or len(missed) > 1 == len(set(missed.values())):
        missed = {model.name: max(missed.values(), default=0)}
    said = [f"{who} {formatting.unseen(count, turns)}" for who, count in missed.items() if count]
    return f'<span class="unseen">{html.escape("; ".join(said))}</span>' if said else ""


def _expected(model: Model, speaker: Speaker, method: Method, tokens: int) -> Forecast:
    reused = speaker.remembers(method)
    reused = reused if reused < tokens + document_loading.ANSWER_ROOM else 0
    return Forecast(model, method, max(tokens, reused), reused)


def _cost(model: Model, run: Run, speaker: Speaker, tokens: int, forecast: Forecast) -> str:
    method, reused, reach = run.method, forecast.reused, run.method.reach(model.train_length)
    head = f'<span class="cost" style="--method:{run.colour}"><b>{html.escape(run.label)}</b> '
    if suitability.refusal(model, method):
        return f"{head}<em>cannot be run by {html.escape(model.name)}</em></span>"
    whole = max(tokens, reused) + document_loading.ANSWER_ROOM  # that much is reserved: prompt and answer
    held, writing = (model.cache_bytes(method, whole, writing=each) for each in (False, True))
    if not estimate.fits(model, method, whole, speaker.nbytes):
        return f"{head}<em>cache of {formatting.size(held)} does not fit here</em></span>"
    again = f"{reused:,} tokens reused, " if reused else ""
    turned = writing > held and estimate.fits(model, method, whole, speaker.nbytes, writing=True)
    memory = formatting.size(held) + (f", {formatting.size(writing)} while it writes" if turned else "")
    seconds = "" if forecast.seconds is None else f", {formatting.about(forecast.seconds)}"
    past = reach is not None and reach < tokens + document_loading.ANSWER_ROOM
    short = f', <span class="short">distances familiar up to {reach:,}</span>' if past else ""
    return f"{head}{again}cache {memory}{seconds}{short}</span>"
