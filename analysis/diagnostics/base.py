"""What a diagnostic is: what it measures while a text is read, what it makes of that, and what it draws."""

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import Any

from ..drawing.drawn_figure import DrawnFigure
from ..runs import Run
from .options import PanelOptions
from .probing import MakeProbe

Records = tuple[Any, ...]
"""The records of one diagnostic; each knows their types."""


def _only(measured: Sequence[Records], names: Sequence[str], options: PanelOptions) -> Generator[str, None, Records]:
    """The records of the one text that was read."""
    yield from ()
    return measured[0]


def _no_words(records: Records, options: PanelOptions) -> str:
    return ""


@dataclass(frozen=True)
class Panel:
    """One diagnostic, one entry of PANELS. `look` says what to look for; `paper` which figure it corresponds to.

    `probes` are made for the options; `conclude` turns what they measured of each text into the records to draw and
    save, and yields what it is doing where that takes long; `names` are those records'. `draw` turns the records of
    several runs into figures, those of one kind one after the other; `words` are HTML about one run, beside them.

    `measures`, `concludes` and `draws` name the fields of `PanelOptions` that each of these steps reads. Whatever is
    not named among the first two, the first two do not get to see.
    """

    key: str
    title: str
    look: str
    paper: str
    probes: Callable[[PanelOptions], Sequence[MakeProbe]]
    names: Callable[[PanelOptions], Sequence[str]]
    draw: Callable[[Sequence[Run], Sequence[Records], PanelOptions], Sequence[DrawnFigure]]
    conclude: Callable[[Sequence[Records], Sequence[str], PanelOptions], Generator[str, None, Records]] = _only
    measures: tuple[str, ...] = ()
    concludes: tuple[str, ...] = ()
    draws: tuple[str, ...] = ()
    texts: int = 1  # how many it can show at once
    words: Callable[[Records, PanelOptions], str] = _no_words

    @property
    def reads(self) -> tuple[str, ...]:
        """The fields of `PanelOptions` that change anything here."""
        return self.measures + self.concludes + self.draws


def first(records: Sequence[Records]) -> list[Any]:
    """The first record of each run."""
    return [each[0] for each in records]
