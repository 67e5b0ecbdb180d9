"""What to look at: controls for the fields of a `PanelOptions`, made in one loop, and read back and checked."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr

from analysis import typed
from analysis.diagnostics.clusters import PROJECTIONS
from analysis.diagnostics.panels import DEFAULT, MOST_SMOOTHING, MOST_STARTING, Panel, PanelOptions
from app.components.permalink import LinkedControl
from longsight.errors import LongSightError

MOST_TYPED = 200  # characters in a box


@dataclass(frozen=True)
class Kind:
    """How one field of a `PanelOptions` is asked for: `make` builds its control, `read` turns the control's value into
    the field's; `type` is what the text of an address becomes first; `events`: by which a visitor changes it."""

    make: Callable[..., Any]
    read: Callable[[str, Any], Any]
    type: Callable[[str], Any] = str
    events: tuple[str, ...] = ("submit", "blur")


def _box(label: str, example: str) -> Callable[..., Any]:
    return lambda **options: gr.Textbox(
        "", label=label, placeholder=example, max_length=MOST_TYPED, max_lines=1, **options
    )


def _number(label: str, value: int, low: int, high: int) -> Callable[..., Any]:
    return lambda **options: gr.Number(value, label=label, precision=0, minimum=low, maximum=high, **options)


def _radio(label: str, choices: Sequence[tuple[str, Any]], value: Any) -> Callable[..., Any]:
    return lambda **options: gr.Radio(choices, value=value, label=label, **options)


def _typed(read: Callable[[str, str], Any]) -> Callable[[str, Any], Any]:
    def checked(name: str, value: Any) -> Any:
        text = "" if value is None else value
        if not isinstance(text, str) or len(text) > MOST_TYPED:
            raise LongSightError(f"{name} must be a text of at most {MOST_TYPED} characters.")
        return read(name, text)

    return checked


def _required(name: str, value: Any) -> int:
    """A number box may hold a float, or nothing, when it is asked over HTTP."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not float(value).is_integer():
        raise LongSightError(f"{name} must be a whole number, but {value!r} was given.")
    return int(value)


def _as_is(name: str, value: Any) -> Any:
    return value


KINDS = {
    "layers": Kind(_box("Layers", "all, or 0, 2-4"), _typed(typed.numbers)),
    "heads": Kind(_box("Heads", "all, or 0, 2-4"), _typed(typed.numbers)),
    "queries": Kind(_box("Queries", "all, or 900:1000"), _typed(typed.span)),
    "keys": Kind(_box("Keys", "all, or 900:1000"), _typed(typed.span)),
    "smoothing": Kind(_number("Smoothing [tokens]", DEFAULT.smoothing, 1, MOST_SMOOTHING), _required, int),
    "projection": Kind(
        _radio("Projection", [(name.upper(), name) for name in PROJECTIONS], PROJECTIONS[0]), _as_is, events=("input",)
    ),
    "axes": Kind(_radio("Dimensions", [("2-D", 2), ("3-D", 3)], DEFAULT.axes), _required, int, ("input",)),
    "starting": Kind(_number("First tokens", DEFAULT.starting, 1, MOST_STARTING), _required, int),
    "mark": Kind(_box("Marked position", "none; click a figure"), _typed(typed.whole)),
}
"""By the field of `PanelOptions` that each one asks for."""


def build_choices(panel: Panel) -> dict[str, Any]:
    """The control of each field, by its name; those that `panel` does not read are hidden."""
    return {
        name: kind.make(elem_id=f"look-{name}", min_width=120, visible=name in panel.reads)
        for name, kind in KINDS.items()
    }


def changes(controls: dict[str, Any]) -> list[Any]:
    """The events by which a visitor changes any of the controls."""
    return [getattr(controls[name], event) for name, kind in KINDS.items() for event in kind.events]


def shown(panel: Panel) -> list[Any]:
    """Updates for the controls: those that the panel reads, the others hidden."""
    return [gr.update(visible=name in panel.reads) for name in KINDS]


def read_choice(panel: Panel, values: Sequence[Any]) -> PanelOptions:
    """The choice that the controls' values stand for; what a panel does not read stays as it is by default.

    Raises `LongSightError` on values that are none.
    """
    if len(values) != len(KINDS):
        raise LongSightError(f"{len(values)} choices were given; {len(KINDS)} are expected: {', '.join(KINDS)}.")
    pairs = zip(KINDS.items(), values, strict=True)
    return PanelOptions(**{name: kind.read(name, value) for (name, kind), value in pairs if name in panel.reads})


def views(controls: dict[str, Any]) -> list[LinkedControl]:
    """The controls as parts of the address."""
    return [LinkedControl(name, control, _reader(name, KINDS[name])) for name, control in controls.items()]


def _reader(name: str, kind: Kind) -> Callable[[str], Any]:
    def read(text: str) -> Any:
        value = kind.type(text)
        PanelOptions(**{name: kind.read(name, value)})  # whatever is no choice is refused here
        return value

    return read
