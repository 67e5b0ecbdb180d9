"""The tasks. A new one is a file here and a line in TASKS; with that it is run, saved, reported and shown."""

from dataclasses import fields

from longsight.errors import LongSightError

from ... import typed
from .base import Case, Facts, Outcome, Steps, Task
from .efficiency import Efficiency
from .generation import Generation
from .passkey import Passkey
from .perplexity import Perplexity
from .qa import QA
from .short_context import ShortContext

TASKS: dict[str, type[Task]] = {
    task.key: task for task in (Perplexity, Passkey, QA, Generation, Efficiency, ShortContext)
}
"""Every task by its key, in the order of a report."""


def read_task(text: str) -> Task:
    """The task that `Task.describe` wrote or a person typed: "passkey:filler=prose,depths=3".

    Raises `LongSightError` on an unknown task or option, and on values that the task refuses.
    """
    key, given = typed.named(text)
    if key not in TASKS:
        raise LongSightError(f"There is no task {key!r}; there are {', '.join(TASKS)}.")
    kinds = {spec.name: type(spec.default) for spec in fields(TASKS[key])}
    typed.check_names(TASKS[key].title, list(kinds), given, "option")
    options = {
        name: value if kinds[name] is str else typed.any_number(key, name, value) for name, value in given.items()
    }
    return TASKS[key](**options)


__all__ = ["TASKS", "Case", "Facts", "Outcome", "Steps", "Task", "read_task"]
