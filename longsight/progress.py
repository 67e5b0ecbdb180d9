"""Progress: the one type that every long piece of work yields, and the ways to run such work to its end."""

import contextlib
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

T = TypeVar("T")
R = TypeVar("R")
S = TypeVar("S")
V = TypeVar("V")
Report = Callable[[int, int], None]
"""Called with the work done and all there is, mostly tokens."""


@dataclass(frozen=True)
class Progress(Generic[T]):
    """How much is `done` of the `total`, in tokens unless the work says otherwise, and what is being done.

    `result`: what has just come to its end, or is known so far, where the work hands out parts of its result.
    """

    done: int
    total: int
    doing: str = "reading"
    result: T | None = None


def finish(steps: Generator[Any, None, R], report: Report | None = None) -> R:
    """Run a generator to its end; what it returns. `report` is told of each `Progress` that it yields."""
    while True:
        try:
            step = next(steps)
        except StopIteration as finished:
            return finished.value
        if report is not None:
            report(step.done, step.total)


def mapped(steps: Generator[S, None, R], view: Callable[[S], V]) -> Generator[V, None, R]:
    """Each step as `view` shows it; returns what the steps return, and closes them when it is closed."""
    with contextlib.closing(steps):
        while True:
            try:
                step = next(steps)
            except StopIteration as finished:
                return finished.value
            yield view(step)


def until(had_enough: Callable[[], bool], steps: Generator[S, None, R]) -> Generator[S, None, R | None]:
    """The same steps and result; but once `had_enough` says so before a step, they are closed, and it is None."""
    with contextlib.closing(steps):
        while not had_enough():
            try:
                step = next(steps)
            except StopIteration as finished:
                return finished.value
            yield step
    return None
