"""The tasks. A new one is a file here and a line in the table; with that it is run, saved, reported and shown."""

from dataclasses import fields

from longsight.errors import LongSightError

from ...runs import typed
from .base import Case as Case
from .base import Facts as Facts
from .base import Outcome as Outcome
from .base import Steps as Steps
from .base import Task as Task

# The table: one line a task, in the order of a report.
# isort: off
from .perplexity import Perplexity as Perplexity
from .passkey import Passkey as Passkey
from .qa import QA as QA
from .generation import Generation as Generation
from .efficiency import Efficiency as Efficiency
from .short_context import ShortContext as ShortContext
# isort: on

TASKS: dict[str, type[Task]] = {
    kind.key: kind
    for kind in tuple(globals().values())
    if isinstance(kind, type) and issubclass(kind, Task) and kind is not Task
}
"""Every task by its key, in the order of the table."""


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
