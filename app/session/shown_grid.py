"""The grid of pass keys that a visitor has before them."""

from dataclasses import dataclass, field

from analysis.evaluation.passkey_grid import TrialGrid


@dataclass
class ShownGrid:
    """A grid; by the id of a run, why it cannot go on, and the trial (method, length, depth, trial) answered last."""

    grid: TrialGrid
    problems: dict[str, str] = field(default_factory=dict)
    latest: dict[str, tuple[int, int, int, int]] = field(default_factory=dict)
