"""How far work is, as a visitor reads it: sentences, and small pieces of HTML."""

import contextlib
import html
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from analysis.runs import Run
from app.session import formatting

PATIENCE = 5.0  # times the cost of a drawing that pass before the next one


@dataclass
class Pace:
    """How fast equal pieces of work are done, and how long the rest of them will take."""

    total: int
    unit: str = "tokens"
    start: float = field(default_factory=time.perf_counter)

    @property
    def elapsed(self) -> float:
        return time.perf_counter() - self.start

    def left(self, done: int) -> float | None:
        """Seconds to go after `done` pieces; None before the first."""
        return self.elapsed * (self.total - done) / done if done else None

    def said(self, done: int, left: float | None = None) -> str:
        """1,024 of 4,096 tokens · 3.1k a second · 2 s left. `left` [seconds]: where the caller knows better."""
        parts = [f"{done:,} of {self.total:,} {self.unit}"]
        if done and self.elapsed:
            parts.append(f"{formatting.short_count(done / self.elapsed)} a second")
        seconds = self.left(done) if left is None else left
        if seconds is not None:
            parts.append(f"{formatting.duration(seconds)} left")
        return " · ".join(parts)


@dataclass
class DrawingPace:
    """When what is known so far is drawn again: `pause` seconds after the last drawing was there, or on a slow machine
    `PATIENCE` times as long as that took, so that most of the time is left to the work itself."""

    pause: float
    cost: float = 0.0  # seconds that the last drawing took
    ended: float = -math.inf

    def due(self) -> bool:
        return time.monotonic() - self.ended > max(self.pause, PATIENCE * self.cost)

    @contextlib.contextmanager
    def drawing(self) -> Iterator[None]:
        """Around making a drawing and handing it on: whoever takes it draws it before it asks for the next step."""
        begun = time.monotonic()
        yield
        self.ended = time.monotonic()
        self.cost = self.ended - begun


def progress_bar(sentence: str, part: float | None = None) -> str:
    """A sentence with a bar under it, as HTML; `part` (0 to 1) is done, None: nobody knows."""
    value = "" if part is None else f' value="{part:.3f}"'
    return (
        f'<div class="running" role="status"><span>{html.escape(sentence)}</span>'
        f'<progress class="bar" max="1"{value}></progress></div>'
    )


def titled(run: Run) -> str:
    """A run's name and all its parameters in one line: SelfExtend G=4 (group=4, window=128)."""
    return run.method.describe().replace(run.method.title, run.label, 1)


def problem(said: object) -> str:
    """What cannot be, as HTML: a sentence that stands where the estimate would."""
    return f'<p class="problem" role="alert">{html.escape(str(said))}</p>'


def side_view(run: Run, state: str, said: str, error: str = "", part: float | None = None) -> str:
    """How far one run is, as HTML: its colour, its name and parameters, a sentence, and a bar while it works."""
    bar = "" if state != "working" else f'<progress class="bar" max="1" value="{part or 0:.3f}"></progress>'
    return (
        f'<div class="side" data-state="{state}" style="--method:{run.colour}">'
        f"<b>{html.escape(titled(run))}</b><span>{html.escape(said)}</span>{bar}{problem(error) if error else ''}</div>"
    )
