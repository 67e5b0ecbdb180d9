"""What happens when methods are picked, their parameters changed, or the text gets another length."""

import html
from collections.abc import Sequence
from typing import Any

import gradio as gr

from app.components.changes import when_changed
from app.components.errors import for_visitor
from app.panels import method_controls
from app.panels.shell import Shell
from app.session import document_loading, model_catalogue, side_by_side
from app.session.sessions import Session
from longsight.errors import LongSightError
from longsight.methods import METHODS, Method
from longsight.models.model import Model


def wire_methods(shell: Shell) -> Any:
    """Returns what follows the choice of another model."""
    controls, length = shell.methods, shell.context.length
    shape = [*controls.parts, controls.line]
    values = [shell.model, shell.session, *controls.inputs]
    options: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private", "trigger_mode": "always_last"}
    controls.picker.input(arrange, values, shape, **options)
    edits = [number.input for number in controls.numbers]
    gr.on(edits, tune, values, [*(slot.title for slot in controls.slots), controls.line], **options)
    when_changed([length.change], refit, [shell.model, shell.session, length, *controls.inputs], shape)
    return shell.model.input(suit, values, shape, **options)


SHAPE = side_by_side.MOST_METHODS * (3 + method_controls.MOST_FIELDS) + 1
"""How many updates lay the slots and the line out."""


@for_visitor
def arrange(model_name: str, session: Session, *values: Any) -> list[Any]:
    """Other methods were picked: show the controls of each, keeping what was set for those that stay."""
    model = model_catalogue.model(model_name)
    length = document_loading.target_length(session, model)
    return laid_out(model, forgiving(model, values, length), length)


@for_visitor
def tune(model_name: str, session: Session, *values: Any) -> list[Any]:
    """A parameter was changed: say what that means, or why it cannot be, at the head of its method."""
    model = model_catalogue.model(model_name)
    length = document_loading.target_length(session, model)
    keys = list(values[0] or [])
    side_by_side.check_count(keys)
    methods, titles = [], []
    for key in keys:
        try:
            methods += method_controls.read_values(model, [[key], *values[1:]], length)
            titles.append(method_controls.title(methods[-1], model.train_length))
        except LongSightError as error:
            titles.append(method_controls.problem(METHODS[key], str(error)))
    line = side_by_side.write(model, methods, length) if len(methods) == len(keys) else gr.skip()
    return [*titles, *[gr.skip()] * (side_by_side.MOST_METHODS - len(keys)), line]


@for_visitor
def suit(model_name: str, session: Session, *values: Any) -> list[Any]:
    """Another model was chosen: every method takes the parameters that suit it."""
    model = model_catalogue.model(model_name)
    session.fitted_length = length = document_loading.target_length(session, model)
    keys = list(values[0] or [])
    side_by_side.check_count(keys)
    return laid_out(model, [model.method(key, length) for key in keys], length)


@for_visitor
def refit(model_name: str, session: Session, now: float | None, *values: Any) -> list[Any]:
    """The text has another length: parameters that stood at their rule of thumb follow it."""
    model = model_catalogue.model(model_name)
    length = document_loading.target_length(session, model)
    if method_controls.opening(values):
        return [gr.skip()] * SHAPE
    before, session.fitted_length = session.fitted_length or length, length
    if before == length:  # nothing to follow, so what is being typed stays
        return [gr.skip()] * SHAPE
    methods = forgiving(model, values, before)
    return laid_out(model, method_controls.follow(model, methods, before, length), length)


def laid_out(model: Model, methods: Sequence[Method], length: int) -> list[Any]:
    """Updates for the slots and the line."""
    return [*method_controls.show(methods, model.train_length), side_by_side.write(model, methods, length)]


def forgiving(model: Model, values: Sequence[Any], length: int) -> list[Method]:
    """The methods as set; one with impossible parameters takes what suits the model instead, and a notice says so."""
    keys = list(values[0] or [])
    side_by_side.check_count(keys)
    methods = []
    for key in keys:
        try:
            methods += method_controls.read_values(model, [[key], *values[1:]], length)
        except LongSightError as error:
            gr.Warning(html.escape(f"{error} Its usual parameters are shown."), title="Parameters")
            methods.append(model.method(key, length))
    return methods
