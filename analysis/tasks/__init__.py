"""The tasks. A new one is a file here, a line in TASKS, and a test."""

from analysis.tasks.base import Case, Outcome, Step, Task
from analysis.tasks.efficiency import Efficiency
from analysis.tasks.generation import Generation
from analysis.tasks.passkey import Passkey
from analysis.tasks.qa import QA
from analysis.tasks.reading import Perplexity, ShortContext

TASKS: dict[str, type[Task]] = {
    task.key: task for task in (Passkey, Perplexity, QA, Generation, Efficiency, ShortContext)
}

__all__ = ["TASKS", "Case", "Outcome", "Step", "Task"]
