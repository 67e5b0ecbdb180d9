"""A measurement that a visitor asks for, and what has come of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from analysis.diagnostics.base import Panel
from analysis.diagnostics.comparing import Side
from analysis.diagnostics.measuring import Text
from analysis.diagnostics.options import PanelOptions
from analysis.runs import Run
from longsight.models.model import Model


@dataclass(frozen=True)
class MeasurementRequest:
    """Something to measure, checked."""

    model: Model
    panel: Panel
    texts: tuple[Text, ...]
    runs: tuple[Run, ...]
    options: PanelOptions

    @property
    def task(self) -> str:
        """What takes equally long for texts of one length."""
        return " ".join([self.panel.key, *(str(getattr(self.options, name)) for name in self.panel.concludes)])

    @property
    def tokens(self) -> int:
        """Tokens of the longest text."""
        return max(len(text.ids) for text in self.texts)

    def measures(self) -> tuple[Any, ...]:
        """Equal for requests that differ in nothing but how the figures are drawn."""
        texts = tuple((text.name, text.ids.tobytes()) for text in self.texts)
        asked = tuple(getattr(self.options, name) for name in self.panel.measures + self.panel.concludes)
        return self.model.name, self.panel.key, texts, tuple(run.method for run in self.runs), asked


@dataclass(frozen=True)
class Measurement:
    """What a visitor sees: a request, and how far each of its runs is."""

    request: MeasurementRequest
    sides: Sequence[Side]

    def answers(self, request: MeasurementRequest) -> bool:
        """Whether these sides are what `request` would measure, however it is drawn."""
        done = all(side.records is not None for side in self.sides)
        return done and self.request.measures() == request.measures()
