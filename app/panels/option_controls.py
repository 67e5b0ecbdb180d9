"""What is chosen of a diagnostic: a control for each field of `PanelOptions` that is on the page, made from what the
field says of itself, and read back and checked."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import gradio as gr

from analysis.diagnostics.base import Panel
from analysis.diagnostics.options import (
    DEFAULT,
    OPTIONS,
    ChoiceOption,
    NumberOption,
    Option,
    PanelOptions,
    TextOption,
)
from app.components.permalink import LinkedControl
from app.session import given_numbers
from longsight.errors import LongSightError

MOST_TYPED = 200  # characters in a box


@dataclass(frozen=True)
class ControlKind:
    """How options of one kind are asked for: `make` builds the control, `read` turns what it holds into the option's
    value, and calls it as the page does where it is none; `restore` is what it holds where an address names a value;
    `events`: by which a visitor changes it."""

    make: Callable[..., Any]
    read: Callable[[Any, Any], Any]
    restore: Callable[[str, Any], Any]
    events: tuple[str, ...] = ("submit", "blur")


def _box(option: TextOption, value: None, **where: Any) -> gr.Textbox:
    return gr.Textbox("", label=option.label, placeholder=option.example, max_length=MOST_TYPED, max_lines=1, **where)


def _read_text(option: TextOption, value: Any) -> Any:
    text = "" if value is None else value
    if not isinstance(text, str) or len(text) > MOST_TYPED:
        raise LongSightError(f"{option.label} must be a text of at most {MOST_TYPED} characters.")
    return option.parse(option.label, text)


def _number(option: NumberOption, value: int, **where: Any) -> gr.Number:
    return gr.Number(value, label=option.label, **where)


def _read_number(option: NumberOption, value: Any) -> int:
    return given_numbers.whole(option.label, value, option.low, option.high)


def _radio(option: ChoiceOption, value: Any, **where: Any) -> gr.Radio:
    return gr.Radio(list(option.choices), value=value, label=option.label, **where)


def _read_choice(option: ChoiceOption, value: Any) -> Any:
    return option.parse(option.label, str(value))


CONTROL_KINDS: dict[type[Option], ControlKind] = {
    TextOption: ControlKind(_box, _read_text, lambda text, value: text),
    NumberOption: ControlKind(_number, _read_number, lambda text, value: value),
    ChoiceOption: ControlKind(_radio, _read_choice, lambda text, value: value, events=("input",)),
}
KINDS = {name: CONTROL_KINDS[type(option)] for name, option in OPTIONS.items() if option.on_page}
"""By the field of `PanelOptions` that each one asks for."""


def build_options(panel: Panel) -> dict[str, Any]:
    """The control of each field, by its name; those that `panel` does not read are hidden."""
    return {
        name: kind.make(
            OPTIONS[name],
            getattr(DEFAULT, name),
            elem_id=f"diagnostics-{name}",
            min_width=120,
            visible=name in panel.reads,
        )
        for name, kind in KINDS.items()
    }


def changes(controls: Mapping[str, Any]) -> list[Any]:
    """The events by which a visitor changes any of the controls."""
    return [getattr(controls[name], event) for name, kind in KINDS.items() for event in kind.events]


def shown(panel: Panel) -> dict[str, Any]:
    """Updates for the controls, by field: those that the panel reads, the others hidden."""
    return {name: gr.update(visible=name in panel.reads) for name in KINDS}


def read_options(panel: Panel, values: Mapping[str, Any]) -> PanelOptions:
    """The options that the controls' values, by field, stand for; what a panel does not read stays at its default.

    Raises `LongSightError` on values that are none, and on those that nothing would heed.
    """
    read = {name: kind for name, kind in KINDS.items() if name in panel.reads}
    options = PanelOptions(**{name: kind.read(OPTIONS[name], values[name]) for name, kind in read.items()})
    if unheeded := [OPTIONS[name].label for name in options.unheeded]:
        named = " and ".join(unheeded)
        raise LongSightError(f"{named}: of one head's map; choose one layer and one head, or leave this empty.")
    return options


def views(controls: Mapping[str, Any]) -> list[LinkedControl]:
    """The controls as parts of the address."""
    return [LinkedControl(name, control, _reader(name)) for name, control in controls.items()]


def _reader(name: str) -> Callable[[str], Any]:
    def read(text: str) -> Any:
        kind, option = KINDS[name], OPTIONS[name]
        held = kind.restore(text, option.parse(name, text))
        PanelOptions(**{name: kind.read(option, held)})  # whatever is no option is refused here
        return held

    return read
