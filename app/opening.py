"""What a visit opens with that asks for nothing of its own: the first model, the first example, the first methods; or
for nothing but another model.

The page's load events say it all; where it is known already, the page has it from its first byte, and nothing moves.
"""

import html
from functools import cache
from typing import Any

import torch

from analysis.diagnostics.panels import PANELS
from app.panels import odometer
from app.panels.chat import conversation_of
from app.panels.chat_costs import costs_view
from app.panels.context import document_card
from app.panels.diagnostics import FIRST, unmeasured
from app.panels.method_controls import FIRST_METHODS
from app.session import devices, document_loading, model_catalogue, side_by_side
from app.session.opened_results import shipped
from app.session.samples import samples
from app.session.sessions import Session
from longsight.models.model import Model
from longsight.progress import finish


def status_line(model: Model) -> str:
    """Where the model runs, in which number format if that is a short one, and what it was trained on."""
    short = "" if model.dtype == torch.float32 else f" in {str(model.dtype).removeprefix('torch.')}"
    return (
        f"<span>device <b>{html.escape(devices.name(model.device))}</b>{short}</span>"
        f"<span>trained length <b>{model.train_length:,}</b></span>"
        + (f"<span>{html.escape(model.acting)}</span>" if model.acting else "")
    )


def first_values() -> dict[str, str]:
    """HTML by the id of its component. Nothing before the first model is loaded: no first answer waits for that."""
    name = model_catalogue.names()[0]
    if not model_catalogue.is_loaded(name):
        return {}
    model, session = model_catalogue.model(name), _bare_session()
    finish(document_loading.tokens_steps(session, model))
    methods = side_by_side.read(model, ";".join(FIRST_METHODS), document_loading.target_length(session, model))
    return {
        "status": status_line(model),
        "document": document_card(session.document, document_loading.token_count(session, model), model.train_length),
        "costs": costs_view(session, model, methods),
    }


def values_of(name: str) -> dict[str, Any]:
    """What belongs to the model `name`, by the id of its component: what was recorded with that one."""
    nobody, results = Session(), shipped()
    return {
        "model": name,
        "conversation": conversation_of(nobody, name),
        "board": unmeasured(PANELS[FIRST], name),
        "odometer-board": odometer.drawn(nobody, name),
        **({} if results is None else {"part": results.story(name)}),
    }


@cache
def _bare_session() -> Session:
    """As of somebody who has only just come; nobody's own."""
    session = Session()
    session.take(next(iter(samples().values())).document())
    return session
