"""Evaluation: tasks, the worker that runs them, and reports of what came of it."""
