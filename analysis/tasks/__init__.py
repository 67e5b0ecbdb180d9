"""The tasks. A new one is a file here, a line in TASKS, and a test."""

from analysis.tasks.base import Case, Outcome, Step, Task
from analysis.tasks.passkey import Passkey

TASKS: dict[str, type[Task]] = {task.key: task for task in (Passkey,)}

__all__ = ["TASKS", "Case", "Outcome", "Step", "Task"]
