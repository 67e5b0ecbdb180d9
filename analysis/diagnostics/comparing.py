"""Several runs side by side through one panel: one after the other, each with its own progress, none in the way of
another when it fails."""

import contextlib
import time
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass

import torch

from longsight.generation.prefill import Chunk
from longsight.models.model import Model

from ..drawing.drawn_figure import DrawnFigure
from ..runs import Run
from . import failure_message
from .base import Panel, Records
from .measuring import PartialRecords, ResultCache, Text, is_cached, measure_steps
from .options import PanelOptions
from .reading import token_texts

WAITING, WORKING, DONE, STOPPED, FAILED = "waiting", "working", "done", "stopped", "failed"


@dataclass(eq=False)
class Side:
    """One run of a comparison: how far it is, and what there is to draw.

    `records` are final once `state` is done; while it works, `partial` makes what is known so far, where the panel can
    draw that.
    """

    run: Run
    state: str = WAITING
    doing: str = ""
    done: int = 0
    total: int = 0
    seconds: float = 0.0
    error: str = ""
    records: Records | None = None
    partial: Callable[[], Records] | None = None

    def shown(self) -> Records | None:
        """The records, or what is known of them; None where there is nothing to draw."""
        if self.records is not None or self.partial is None:
            return self.records
        return self.partial()

    def fail(self, sentence: str) -> None:
        self.state, self.error, self.partial = FAILED, sentence, None


def compare_steps(
    model: Model,
    texts: Sequence[Text],
    sides: Sequence[Side],
    panel: Panel,
    options: PanelOptions,
    cache: ResultCache | None = None,
    chunk: Chunk = 512,
) -> Generator[Side, None, None]:
    """Measure the texts under each run's method in turn; yields the side that is being worked on after each step.

    Sides that have failed already are left out. A side that fails says why in one sentence and the others go on. When
    the generator is closed, what was being read is freed, and the sides that are not done are marked as stopped.
    """
    try:
        for side in sides:
            if side.state == FAILED:
                continue
            steps = measure_steps(model, texts, side.run.method, panel, options, cache, chunk)
            with contextlib.closing(steps):
                while _advance(side, steps):
                    yield side
            yield side
    finally:
        for side in sides:
            side.partial = None
            if side.state in (WAITING, WORKING):
                side.state = STOPPED


def _advance(side: Side, steps: Generator[PartialRecords, None, Records]) -> bool:
    """One step of one side; whether there are more."""
    begun = time.perf_counter()
    try:
        step = next(steps)
    except StopIteration as finished:
        side.records, side.partial, side.state = finished.value, None, DONE
        return False
    except Exception as error:  # a fault of ours in one method must not take the others with it
        side.fail(failure_message.sentence(error, side.run.method, side.done, "choose a shorter length"))
        return False
    finally:
        side.seconds += time.perf_counter() - begun
    side.state, side.doing, side.done, side.total = WORKING, step.doing, step.done, step.total
    side.partial = step.result
    return True


def word_at(model: Model, text: Text, position: int) -> str | None:
    """The token at a position, as text in quotes; None past the end."""
    if not 0 <= position < len(text.ids):
        return None
    return repr(str(token_texts(model.tokenizer, torch.as_tensor(text.ids[position : position + 1]))[0]))


def from_cache(
    model: Model,
    texts: Sequence[Text],
    runs: Sequence[Run],
    panel: Panel,
    options: PanelOptions,
    cache: ResultCache,
) -> list[Side] | None:
    """The sides of a comparison that was made before; None when anything of it would have to be read."""
    if not all(is_cached(model, texts, run.method, panel, options, cache) for run in runs):
        return None
    sides = [Side(run) for run in runs]
    for _ in compare_steps(model, texts, sides, panel, options, cache):
        pass
    return sides


def figures(sides: Sequence[Side], panel: Panel, options: PanelOptions) -> Sequence[DrawnFigure]:
    """The figures of all sides that have something to show."""
    both = [(side.run, shown) for side in sides if (shown := side.shown()) is not None]
    return panel.draw([run for run, _ in both], [shown for _, shown in both], options) if both else ()
