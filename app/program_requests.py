"""What programs ask for, read and checked: the same words as on the command line."""

from typing import Any, Literal, get_args

from analysis import runs
from analysis.diagnostics.options import DEFAULT
from analysis.diagnostics.panels import PANELS
from analysis.runs import make_runs
from app.panels import option_controls
from app.panels.method_controls import FIRST_METHODS
from app.session import measurements, model_catalogue, side_by_side
from app.session.measurement_request import MeasurementRequest
from app.session.sessions import Session
from longsight.errors import LongSightError
from longsight.methods import Method
from longsight.models.model import Model

USUAL = ";".join(FIRST_METHODS)
Numbers = Literal["summary", "all"]


def read_model(name: Any) -> Model:
    """The model of this name; empty: the page's first."""
    return model_catalogue.model(model_catalogue.names()[0] if name == "" else name)


def read_methods(model: Model, line: Any, length: int) -> list[Method]:
    """The methods of a line, fitted to a text of so many tokens."""
    return side_by_side.read(model, read_line(line), length)


def read_line(line: Any) -> str:
    """A line of methods as the page writes it, with one mark between them."""
    if not isinstance(line, str):
        raise LongSightError(f"methods must be a text such as {USUAL}, but {line!r} was given.")
    return ";".join(runs.method_parts(line))


def read_measurement(
    session: Session, model: Model, panel: Any, methods: Any, length: Any, typed: dict[str, Any]
) -> MeasurementRequest:
    """What is to be measured, checked. What was typed for another panel is refused, not passed over."""
    if not isinstance(panel, str) or panel not in PANELS:
        raise LongSightError(f"There is no panel {panel!r}; there are {', '.join(PANELS)}.")
    found = PANELS[panel]
    unread = [
        name for name, value in typed.items() if name not in found.reads and value not in ("", getattr(DEFAULT, name))
    ]
    if unread:
        raise LongSightError(f"{found.title} does not read {', '.join(unread)}; it reads {', '.join(found.reads)}.")
    options = option_controls.read_options(found, typed)
    texts = measurements.read_texts(session, model, found, measurements.check_length(length), [])
    chosen = make_runs(read_methods(model, methods, max(len(text.ids) for text in texts)))
    return MeasurementRequest(model, found, texts, chosen, options)


def read_numbers(numbers: Any) -> bool:
    """Whether every number is asked for."""
    if numbers not in get_args(Numbers):
        raise LongSightError(f"numbers must be {' or '.join(get_args(Numbers))}, but {numbers!r} was given.")
    return bool(numbers == "all")
