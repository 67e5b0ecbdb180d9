"""A figure together with what it is of, so that nobody has to read that from its name."""

from dataclasses import dataclass

import plotly.graph_objects as go


@dataclass(frozen=True)
class DrawnFigure:
    """A figure of a `kind` within its panel. `run`: the id of the one run that it shows; None: several, and wide."""

    kind: str
    figure: go.Figure
    run: str | None = None

    @property
    def name(self) -> str:
        """Names it among the figures of a panel, and the file it is saved as."""
        return self.kind if self.run is None else f"{self.kind}-{self.run}"
