"""What can be chosen of a diagnostic. Each field of `PanelOptions` says how it is asked for and what it may be: the
command line's options and the page's controls are made of them."""

from collections.abc import Callable
from dataclasses import dataclass, field, fields
from typing import Any

from longsight.errors import LongSightError

from ..drawing.layout import MOST_CELLS
from ..runs import typed
from .projection import PROJECTIONS
from .reading import MOST_QUERIES, STARTING


@dataclass(frozen=True)
class Option:
    """How a field is asked for: its name on the page, and a word for the command line.

    `on_page`: whether the page has a control for it; `of_one_head`: whether it is of one head's map, and so has no
    meaning before one layer and one head are chosen.
    """

    label: str
    help: str
    on_page: bool = True
    of_one_head: bool = False

    def parse(self, asked: str, text: str) -> Any:
        """The value that a text stands for. Raises `LongSightError`, naming what was `asked`, on one that is none."""
        raise NotImplementedError

    def check(self, value: Any) -> None:
        """Raise `LongSightError` on a value that the field cannot have."""


@dataclass(frozen=True)
class TextOption(Option):
    """Typed into a box and read by `read`; nothing typed is None. `example` says what could be; a number is at least
    `low`."""

    example: str = ""
    read: Callable[[str, str], Any] = typed.numbers
    low: int | None = None

    def parse(self, asked: str, text: str) -> Any:
        return self.read(asked, text)

    def check(self, value: Any) -> None:
        if self.low is not None and value is not None and value < self.low:
            raise LongSightError(f"{self.label}: {value!r} was asked for; {self.low} or more would work.")


@dataclass(frozen=True)
class NumberOption(Option):
    """A whole number from `low` to `high`."""

    low: int = 0
    high: int = 2**40

    def parse(self, asked: str, text: str) -> int:
        return int(typed.number(asked, text))

    def check(self, value: Any) -> None:
        if isinstance(value, bool) or not isinstance(value, int) or not self.low <= value <= self.high:
            raise LongSightError(f"{self.label}: {value!r} was asked for; {self.low:,} to {self.high:,} would work.")


@dataclass(frozen=True)
class ChoiceOption(Option):
    """One of a few values, each with its name on the page."""

    choices: tuple[tuple[str, Any], ...] = ()

    def parse(self, asked: str, text: str) -> Any:
        for _, value in self.choices:
            if str(value) == text:
                return value
        raise LongSightError(f"{asked} must be {self._offered}, but {text!r} was given.")

    def check(self, value: Any) -> None:
        if value not in [value for _, value in self.choices]:
            raise LongSightError(f"{self.label}: {value!r} was asked for; {self._offered} would work.")

    @property
    def _offered(self) -> str:
        return " or ".join(str(value) for _, value in self.choices)


def asked_by(option: Option, default: Any) -> Any:
    """Declare a field of `PanelOptions`."""
    return field(default=default, metadata={"option": option})


NUMBERS = "numbers from 0, as in 0,2,5 or 0-3"
RANGE = "a range of the large map, first and end, as in 900:1000"


@dataclass(frozen=True)
class PanelOptions:
    """What is chosen. `layers` and `heads` None: all; of clusters, `layers` are depths, and 0 is the embedding.

    Each diagnostic says which of these it reads. Raises `LongSightError` on a value that means nothing.
    """

    layers: tuple[int, ...] | None = asked_by(
        TextOption("Layers", f"{NUMBERS}; of clusters, depths: 0 is the embedding", example="all, or 0, 2-4"), None
    )
    heads: tuple[int, ...] | None = asked_by(TextOption("Heads", NUMBERS, example="all, or 0, 2-4"), None)
    most_queries: int = asked_by(
        NumberOption("Queries measured", "measured at most; others are left out", False, low=2), MOST_QUERIES
    )
    queries: tuple[int, int] | None = asked_by(
        TextOption("Queries", RANGE, of_one_head=True, example="all, or 900:1000", read=typed.span), None
    )
    keys: tuple[int, int] | None = asked_by(
        TextOption("Keys", RANGE, of_one_head=True, example="all, or 900:1000", read=typed.span), None
    )
    cells: int = asked_by(NumberOption("Cells", "a side of the large map", False, True, low=1, high=MOST_CELLS), 128)
    smoothing: int = asked_by(NumberOption("Smoothing [tokens]", "tokens averaged", low=1, high=65_536), 64)
    projection: str = asked_by(
        ChoiceOption("Projection", " or ".join(PROJECTIONS), choices=tuple((p.upper(), p) for p in PROJECTIONS)), "pca"
    )
    axes: int = asked_by(ChoiceOption("Dimensions", "2 or 3", choices=(("2-D", 2), ("3-D", 3))), 2)
    starting: int = asked_by(NumberOption("First tokens", "how many count as starting", low=1, high=1024), STARTING)
    enlarged: tuple[int, int] | None = asked_by(
        TextOption("Enlarged map", "a layer and a head, as in 2.5", example="none; click one", read=typed.place), None
    )
    mark: int | None = asked_by(
        TextOption("Marked position", "a position", example="none; click a figure", read=typed.whole, low=0), None
    )

    def __post_init__(self) -> None:
        for name, option in OPTIONS.items():
            option.check(getattr(self, name))

    @property
    def one_head(self) -> tuple[int, int] | None:
        """The layer and the head, where one of each was chosen."""
        if self.layers is None or self.heads is None or len(self.layers) != 1 or len(self.heads) != 1:
            return None
        return self.layers[0], self.heads[0]

    @property
    def unheeded(self) -> list[str]:
        """The fields that were chosen for one head's map, where no one head was."""
        return [] if self.one_head is not None else [name for name in self.changed if OPTIONS[name].of_one_head]

    def only(self, names: tuple[str, ...]) -> "PanelOptions":
        """The fields `names` as they are, the others at their defaults."""
        return PanelOptions(**{name: getattr(self, name) for name in names})

    @property
    def changed(self) -> list[str]:
        """The fields that are not at their defaults."""
        return [spec.name for spec in fields(self) if getattr(self, spec.name) != spec.default]


OPTIONS: dict[str, Option] = {spec.name: spec.metadata["option"] for spec in fields(PanelOptions)}
"""How each field is asked for."""

DEFAULT = PanelOptions()
