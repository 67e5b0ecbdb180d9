"""What happens when methods are picked, their parameters changed, or the text gets another length."""

import html
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr

from app.components import edited_line
from app.components.changes import when_changed
from app.components.errors import as_notice, for_visitor
from app.components.run_controls import Updates
from app.panels.method_controls import MOST_FIELDS, MOST_NUMBERS, PIN, MethodControls
from app.panels.shared_controls import SharedControls
from app.session import document_loading, model_catalogue, side_by_side
from app.session.sessions import Session
from app.session.side_by_side import ChosenMethod
from longsight.models.model import Model

HIDDEN: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}


def wire_methods(shared: SharedControls) -> Any:
    """Returns what follows the choice of another model."""
    controls, callbacks = shared.methods, MethodCallbacks(shared.methods)
    inputs = [shared.model, shared.session, controls.draft]
    laid_out = (
        when_changed(_edit_choice(controls), callbacks.lay_out, inputs, [*controls.boxes, controls.draft]),
        when_changed([shared.context.length.change], callbacks.refit, inputs, controls.shown),
    )
    for event in laid_out:  # and the draft may have been edited since
        held = [controls.draft, *controls.fields]
        event.then(None, held, controls.fields, js=edited_line.boxes(MOST_FIELDS), **HIDDEN)
    for place, slot in enumerate(controls.slots):
        for field, number in enumerate(slot.numbers):
            _edit(controls, number.input, edited_line.change(place, field), number)
        # what is pasted is no input to Gradio, which listens to keys; and what the server fills in is a change, too
        _edit(controls, slot.text.change, edited_line.change(place, MOST_NUMBERS, slot.text.elem_id), slot.text)
        slot.preset.focus(None, slot.preset, None, js=edited_line.HOLD, api_visibility="private")
        chosen = edited_line.if_chosen(edited_line.change(place, MOST_NUMBERS))
        _edit(controls, slot.preset.input, chosen, slot.preset)
        slot.preset.input(
            None, slot.preset, slot.text, js=edited_line.if_chosen("(text) => text"), api_visibility="private"
        )
    when_changed([controls.draft.change], callbacks.check, inputs, [*controls.said, controls.line])
    return shared.model.input(as_notice(callbacks.suit), inputs, controls.shown, trigger_mode="always_last", **HIDDEN)


def _edit_choice(controls: MethodControls) -> list[Any]:
    """Let pickers and buttons edit the draft, and those that move methods what stands in the pickers; returns their
    events."""
    _edit(controls, controls.add.click, edited_line.ADD, moves=True)
    for place, slot in enumerate(controls.slots):
        _edit(controls, slot.picker.input, edited_line.pick(place), slot.picker)
        _edit(controls, slot.remove.click, edited_line.remove(place), moves=True)
        _edit(controls, slot.pin.click, edited_line.pin(place, PIN), slot.pin, *slot.fields)
    own = [(slot.picker.input, slot.remove.click, slot.pin.click) for slot in controls.slots]
    return [controls.add.click, *(event for events in own for event in events)]


def _edit(controls: MethodControls, event: Callable[..., Any], script: str, *given: Any, moves: bool = False) -> None:
    moved = [slot.picker for slot in controls.slots if moves]
    event(None, [controls.draft, *given, *moved], [controls.draft, *moved], js=script, api_visibility="private")


@dataclass(frozen=True)
class MethodCallbacks:
    """What the server says to an edited draft."""

    controls: MethodControls

    @for_visitor
    def lay_out(self, model_name: str, session: Session, draft: str | None) -> Updates:
        """Other methods were picked: show the controls of each; parameters that cannot be give way to the usual.

        The draft, which may be edited meanwhile, is left alone unless it had some of those.
        """
        model = model_catalogue.model(model_name)
        length = _length(session, model)
        asked = side_by_side.read_each(model, draft or "", length)
        chosen = _possible(model, asked, length)
        boxes = self.controls.show_boxes([each.method for each in chosen])
        return boxes if chosen == asked else {**boxes, self.controls.draft: side_by_side.line_of(chosen)}

    @for_visitor
    def check(self, model_name: str, session: Session, draft: str | None) -> Updates:
        """The draft was edited: say at the head of each method what that means, or why it cannot be."""
        model = model_catalogue.model(model_name)
        length = _length(session, model)
        chosen = side_by_side.read_each(model, draft or "", length)
        said = self.controls.say(model, chosen, length)
        wrong = any(each.problem for each in chosen)
        return said if wrong else {**said, self.controls.line: side_by_side.line_of(chosen)}

    @for_visitor
    def suit(self, model_name: str, session: Session, draft: str | None) -> Updates:
        """Another model was chosen: every method takes the parameters that suit it. `refit` follows, where the model
        counts another number of tokens."""
        if model_name == session.model:  # the picker was only left
            return gr.skip()
        session.model, model = model_name, model_catalogue.model(model_name)
        session.fitted_length = length = _length(session, model)
        keys = side_by_side.keys(draft or "")
        side_by_side.check_count(keys)
        return self.controls.show(model, side_by_side.read_each(model, ";".join(keys), length), length)

    @for_visitor
    def refit(self, model_name: str, session: Session, draft: str | None) -> Updates:
        """The text has another length: parameters that were left out follow it. The draft is left alone as `lay_out`
        leaves it."""
        if not draft:  # the page is still being opened
            return gr.skip()
        model = model_catalogue.model(model_name)
        length = _length(session, model)
        before, session.fitted_length = session.fitted_length or length, length
        if before == length:  # nothing to follow, so what is being typed stays
            return gr.skip()
        asked = side_by_side.read_each(model, draft, length)
        chosen = _possible(model, asked, length)
        if chosen != asked:
            return self.controls.show(model, chosen, length)
        return {
            **self.controls.show_boxes([each.method for each in chosen]),
            **self.controls.say(model, chosen, length),
        }


def _length(session: Session, model: Model) -> int:
    """How long a text the methods are to reach: as long as before until `model` has counted the document's tokens."""
    if session.fitted_length and session.document is not None and not document_loading.token_count(session, model):
        return session.fitted_length
    return document_loading.target_length(session, model)


def _possible(model: Model, chosen: Sequence[ChosenMethod], length: int) -> list[ChosenMethod]:
    """The chosen methods; a notice says so where one has other parameters than were asked for."""
    for problem in filter(None, (each.problem for each in chosen)):
        gr.Warning(html.escape(f"{problem} Its usual parameters are shown."), title="Parameters")
    return side_by_side.possible(model, chosen, length)
