"""Which methods, with which parameters: controls made in one loop from the fields of the methods themselves."""

from collections.abc import Sequence
from dataclasses import Field, dataclass, fields
from typing import Any

import gradio as gr

from analysis.runs import make_runs
from app.components import edited_line
from app.panels.method_head import head
from app.session import side_by_side, suitability
from app.session.side_by_side import MOST_METHODS, ChosenMethod
from longsight.methods import METHODS, Composed, Method
from longsight.models.model import Model

PIN, FIT = "Pin these values", "Fit to the text again"
UNABLE = " — "
"""Stands in the list between a method and why the model cannot run it."""
FIRST_METHODS = ("vanilla", "lm-infinite", "self-extend")


def controlled(method: Method | type[Method]) -> list[Field[Any]]:
    """The fields of a method that are numbers, in the order of its controls: its own first, then those that every
    method has."""
    return sorted((spec for spec in fields(method) if spec.type is not str), key=lambda spec: bool(spec.kw_only))


def text_of(method: Method | type[Method]) -> Field[Any] | None:
    """The one field of a method that is a text, if it has such a field."""
    found = [spec for spec in fields(method) if spec.type is str]
    assert len(found) < 2, "a slot has one box for a text"
    return found[0] if found else None


MOST_NUMBERS = max(len(controlled(method)) for method in METHODS.values())
MOST_FIELDS = MOST_NUMBERS + 1
"""The boxes of a slot: its numbers, and then its text."""


@dataclass(frozen=True)
class MethodSlot:
    """The controls of one chosen method: as many numbers as the richest method has, and for a method that takes a text
    its box and, to begin with, the texts that say other methods."""

    group: gr.Column
    picker: gr.Dropdown
    remove: gr.Button
    head: gr.HTML
    drawer: gr.Accordion
    pin: gr.Button
    preset: gr.Dropdown
    text: gr.Textbox
    numbers: tuple[gr.Number, ...]

    @property
    def boxes(self) -> list[Any]:
        """What `show` updates: all but the picker, which the visitor's browser sets."""
        return [self.group, self.remove, self.drawer, self.preset, *self.fields]

    @property
    def fields(self) -> list[Any]:
        """A box for each parameter, in the order in which the browser knows them."""
        return [*self.numbers, self.text]

    def show(self, method: Method, alone: bool) -> dict[Any, Any]:
        """Updates that lay a method out, with a box for each of its parameters."""
        specs = controlled(method)
        numbers = [_number(method, spec) for spec in specs]
        spare = [gr.Number(value=None, visible=False) for _ in self.numbers[len(specs) :]]
        return {
            self.group: gr.Column(visible=True),
            self.remove: gr.Button(visible=not alone),
            self.drawer: gr.Accordion(visible=True, open=True)
            if text_of(method)
            else gr.Accordion(visible=bool(specs)),
            self.preset: _preset(method),
            self.text: _text(method),
            **dict(zip(self.numbers, [*numbers, *spare], strict=True)),
        }

    def hide(self) -> dict[Any, Any]:
        """Updates for a place that no method takes."""
        return {self.group: gr.Column(visible=False)}


@dataclass(frozen=True)
class MethodControls:
    """The slots of the methods, side by side, and the line of text that stands for them.

    Parameters that the line leaves out follow the text; the boxes show what they are fitted to, and a slot's `pin`
    writes that into the line, or takes it out again.

    `draft` follows the slots at once, and is what callbacks take and read with `side_by_side.read`; it may ask for what
    cannot be. `line` is its latest state that can, which the address holds, and whose change means: draw again.
    """

    slots: tuple[MethodSlot, ...]
    add: gr.Button
    draft: gr.Textbox
    line: gr.Textbox

    @property
    def boxes(self) -> list[Any]:
        """What `show_boxes` updates."""
        return [*(part for slot in self.slots for part in slot.boxes), self.add]

    @property
    def heads(self) -> list[gr.HTML]:
        return [slot.head for slot in self.slots]

    @property
    def said(self) -> list[Any]:
        """What `say` updates."""
        return [*self.heads, *(slot.pin for slot in self.slots)]

    @property
    def fields(self) -> list[Any]:
        return [box for slot in self.slots for box in slot.fields]

    @property
    def shown(self) -> list[Any]:
        """Everything that `show` updates."""
        return [*(slot.picker for slot in self.slots), *self.boxes, *self.said, self.draft, self.line]

    def show(self, model: Model, chosen: Sequence[ChosenMethod], length: int) -> dict[Any, Any]:
        """Updates that lay these methods out, for a text of `length` tokens, and make them the ones that the page asks
        for."""
        line, methods, choices = side_by_side.line_of(chosen), [each.method for each in chosen], choices_for(model)
        shown = {**self.show_boxes(methods), **self.say(model, chosen, length), self.draft: line, self.line: line}
        shown |= {slot.picker: gr.Dropdown(choices) for slot in self.slots}
        picked = zip(self.slots, methods, strict=False)
        return shown | {slot.picker: gr.Dropdown(choices, value=method.key) for slot, method in picked}

    def say(self, model: Model, chosen: Sequence[ChosenMethod], length: int) -> dict[Any, Any]:
        """Updates that say at the head of each method what that means, or why it cannot be, and what `pin` would do."""
        runs = make_runs([each.method for each in chosen])
        told: dict[Any, Any] = {}
        for slot, run, each in zip(self.slots, runs, chosen, strict=False):
            told[slot.head] = head(run, each, model.train_length, length)
            follows = side_by_side.following(model, run.key)
            told[slot.pin] = gr.Button(PIN if each.fitted else FIT, visible=bool(follows))
        return told

    def show_boxes(self, methods: Sequence[Method]) -> dict[Any, Any]:
        """Updates that lay these methods out, a slot for each, the other slots hidden. Pickers stay as they are:
        whoever is in one would lose their place in it, and what they picked meanwhile."""
        updates: dict[Any, Any] = {self.add: gr.Button(visible=len(methods) < MOST_METHODS)}
        for slot, method in zip(self.slots, methods, strict=False):
            updates |= slot.show(method, alone=len(methods) == 1)
        for slot in self.slots[len(methods) :]:
            updates |= slot.hide()
        return updates


def build_method_controls() -> MethodControls:
    slots = tuple(_build_slot(place) for place in range(MOST_METHODS))
    add = gr.Button("Add a method", size="sm", visible=False, elem_id="add-method")
    draft = gr.Textbox(visible="hidden", elem_id="method-draft", label="methods")
    line = gr.Textbox(visible="hidden", elem_id="method-line", label="methods in the address")
    return MethodControls(slots, add, draft, line)


def _build_slot(place: int) -> MethodSlot:
    name = f"method-{place}"
    with gr.Column(visible=False, elem_id=name, elem_classes="method") as group:
        with gr.Row(elem_classes="method-choice"):
            picker = gr.Dropdown(
                [(method.title, key) for key, method in METHODS.items()], label=f"Method {place + 1}", show_label=False,
                container=False, filterable=False, elem_id=f"{name}-picker", min_width=120,
            )  # fmt: skip
            remove = gr.Button("Remove", size="sm", elem_id=f"{name}-remove", scale=0, min_width=60)
        head = gr.HTML()
        with gr.Accordion("Parameters", open=False, visible=False, elem_classes="drawer") as drawer:
            pin = gr.Button(PIN, size="sm", visible=False, elem_id=f"{name}-pin")
            preset = gr.Dropdown(visible=False, elem_id=f"{name}-preset", filterable=False)
            text = gr.Textbox(visible=False, elem_id=f"{name}-text", elem_classes="parameter", lines=3)
            numbers = tuple(
                gr.Number(visible=False, elem_id=f"{name}-{field}", elem_classes="parameter")
                for field in range(MOST_NUMBERS)
            )
    return MethodSlot(group, picker, remove, head, drawer, pin, preset, text, numbers)


def choices_for(model: Model) -> list[tuple[str, str]]:
    """The methods by title and key; the title of one that `model` cannot run says why, and is greyed by the style
    sheet."""
    return [
        (f"{method.title}{UNABLE}{why}" if (why := suitability.short_refusal(model, key)) else method.title, key)
        for key, method in METHODS.items()
    ]


def script() -> str:
    """What the page's head carries so that the browser can edit the line."""
    return edited_line.script({key: box_names(method) for key, method in METHODS.items()})


def box_names(method: type[Method]) -> list[str | None]:
    """For each box of a slot the parameter that it stands for; None for a box without one."""
    numbers, text = [spec.name for spec in controlled(method)], text_of(method)
    return [*numbers, *[None] * (MOST_NUMBERS - len(numbers)), text.name if text else None]


def _preset(method: Method) -> gr.Dropdown:
    """Other methods, said in the text that this one takes, for its model and length."""
    if not isinstance(method, Composed):
        return gr.Dropdown(choices=[], value=None, visible=False)
    made = {kind.title: kind.for_model(max(method.trained, 1), max(method.length, 1)).rule for kind in METHODS.values()}
    return gr.Dropdown(
        choices=[(title, rule) for title, rule in made.items() if rule],
        value=method.rule if method.rule in made.values() else None,
        label="begin with", info="A method's rule, as it suits this model and text; change it as you like.",
        visible=True,
    )  # fmt: skip


def _text(method: Method) -> gr.Textbox:
    spec = text_of(method)
    if spec is None:
        return gr.Textbox(value=None, visible=False)
    return gr.Textbox(
        value=getattr(method, spec.name), label=spec.name, info=spec.metadata["help"], max_length=spec.metadata["high"],
        visible=True,
    )  # fmt: skip


def _number(method: Method, spec: Field[Any]) -> gr.Number:
    return gr.Number(
        value=getattr(method, spec.name),
        label=f"{spec.name} [{spec.metadata['unit']}]",
        info=spec.metadata["help"],
        visible=True,
    )
