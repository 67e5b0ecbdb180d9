"""Which methods, with which parameters: controls made in one loop from the fields of the methods themselves."""

import html
from collections.abc import Sequence
from dataclasses import Field, dataclass, fields
from typing import Any

import gradio as gr

from analysis.drawing import palette
from app.session import formatting, side_by_side
from app.session.side_by_side import MOST_METHODS
from longsight.errors import LongSightError
from longsight.methods import METHODS, Method
from longsight.models.model import Model

FIRST_METHODS = ("vanilla", "lm-infinite", "self-extend")
MOST_FIELDS = max(len(fields(method)) for method in METHODS.values())


@dataclass(frozen=True)
class Slot:
    """The controls of one chosen method; there are as many numbers as the richest method has fields."""

    group: gr.Column
    title: gr.HTML
    drawer: gr.Accordion
    numbers: tuple[gr.Number, ...]

    @property
    def parts(self) -> list[Any]:
        return [self.group, self.title, self.drawer, *self.numbers]


@dataclass(frozen=True)
class MethodControls:
    """`inputs` go into any callback, which turns them into methods again with `read_values`."""

    picker: gr.Dropdown
    slots: tuple[Slot, ...]
    line: gr.Textbox

    @property
    def inputs(self) -> list[Any]:
        return [self.picker, self.line, *self.numbers]

    @property
    def numbers(self) -> list[gr.Number]:
        return [number for slot in self.slots for number in slot.numbers]

    @property
    def parts(self) -> list[Any]:
        """Everything that `show` updates."""
        return [part for slot in self.slots for part in slot.parts]


def build_method_controls() -> MethodControls:
    picker = gr.Dropdown(
        [(method.title, key) for key, method in METHODS.items()],
        value=list(FIRST_METHODS),
        multiselect=True,
        max_choices=MOST_METHODS,
        label=f"Side by side, up to {MOST_METHODS}",
        elem_id="methods",
    )
    slots = tuple(_build_slot(index) for index in range(MOST_METHODS))
    line = gr.Textbox(visible="hidden", elem_id="method-line", label="methods in the address")
    return MethodControls(picker, slots, line)


def _build_slot(index: int) -> Slot:
    with gr.Column(visible=False, elem_id=f"method-{index}", elem_classes="method") as group:
        title = gr.HTML()
        with gr.Accordion("Parameters", open=False, visible=False, elem_classes="drawer") as drawer:
            numbers = tuple(
                gr.Number(visible=False, elem_id=f"method-{index}-{field}", elem_classes="parameter")
                for field in range(MOST_FIELDS)
            )
    return Slot(group, title, drawer, numbers)


def opening(values: Sequence[Any]) -> bool:
    """Whether these values come from a page that is still being opened: its methods are not laid out yet."""
    return not values[1]


def controlled(method: Method) -> list[Field[Any]]:
    """The fields of a method in the order of its controls: its own first, then those that every method has."""
    return sorted(fields(method), key=lambda spec: bool(spec.kw_only))


def read_values(model: Model, values: Sequence[Any], target_length: int) -> list[Method]:
    """The methods that the values of `MethodControls.inputs` stand for.

    The numbers belong to the methods that `line` names, which for a moment need not be those just picked: a method that
    has no numbers yet takes what suits the model. Raises `LongSightError` when no method, too many, or one with
    impossible parameters is asked for.
    """
    keys, line, numbers = list(values[0] or []), str(values[1] or ""), values[2:]
    side_by_side.check_count(keys)
    if len(numbers) != MOST_METHODS * MOST_FIELDS:
        raise LongSightError(f"{len(numbers)} parameter values were given; {MOST_METHODS * MOST_FIELDS} are expected.")
    own = {key: numbers[slot * MOST_FIELDS :] for slot, key in enumerate(side_by_side.keys(line)[:MOST_METHODS])}
    return [side_by_side.build(model, key, _given(model, key, own.get(key, ())), target_length) for key in keys]


def _given(model: Model, key: str, numbers: Sequence[Any]) -> dict[str, Any]:
    names = [spec.name for spec in controlled(model.method(key, model.train_length))]
    return dict(zip(names, numbers, strict=False))


def show(methods: Sequence[Method], train_length: int) -> list[Any]:
    """Updates for `MethodControls.parts`: one slot for each method, the others hidden."""
    updates: list[Any] = []
    for index in range(MOST_METHODS):
        updates += _show_slot(methods[index] if index < len(methods) else None, train_length)
    return updates


def _show_slot(method: Method | None, train_length: int) -> list[Any]:
    if method is None:
        return [gr.Column(visible=False), gr.skip(), gr.skip(), *(gr.Number(visible=False) for _ in range(MOST_FIELDS))]
    controls = [
        gr.Number(
            value=getattr(method, spec.name),
            label=f"{spec.name} [{spec.metadata['unit']}]",
            info=spec.metadata["help"],
            precision=None if spec.type is float else 0,
            visible=True,
        )
        for spec in controlled(method)
    ]
    hidden = [gr.Number(value=None, visible=False) for _ in range(MOST_FIELDS - len(controls))]
    drawer = gr.Accordion(visible=bool(controls))
    return [gr.Column(visible=True), title(method, train_length), drawer, *controls, *hidden]


def title(method: Method, train_length: int) -> str:
    """The head of a slot: the method in its colour, what it does, and how far it reaches."""
    return _head(method, f"<small>{formatting.reach(method, train_length)}</small>")


def problem(method: type[Method], sentence: str) -> str:
    """The head of a slot whose parameters cannot be."""
    return _head(method, f'<em role="alert">{html.escape(sentence)}</em>')


def _head(method: Method | type[Method], last: str) -> str:
    return (
        f'<div class="method-head" style="--method:{palette.colour(method.key)}"><b>{method.title}</b>'
        f"<span>{method.summary}</span>{last}</div>"
    )


def follow(model: Model, methods: Sequence[Method], before: int, now: int) -> list[Method]:
    """The same methods when the text's length goes from `before` to `now` tokens.

    What stood at its default moves on with the default; what the visitor has set stays.
    """
    return [
        model.method(method.key, now) if method == model.method(method.key, before) else method for method in methods
    ]
