"""Numbers that a visitor or a program gave, checked: what cannot be gets one sentence that says what would work."""

from typing import Any

from analysis.runs import typed
from longsight.errors import LongSightError


def whole(name: str, given: Any, low: int, high: int, unit: str = "") -> int:
    """Raises `LongSightError` unless `given` is a whole number of a `unit` from `low` to `high`; a box may hold it as a
    float, or hold nothing."""
    good = isinstance(given, (int, float)) and not isinstance(given, bool) and low <= given <= high
    if not good or given != int(given):
        what = f"a whole number of {unit}" if unit else "a whole number"
        raise LongSightError(f"{name} must be {what} from {low:,} to {high:,}, but {typed.said(given)} was given.")
    return int(given)


def number(name: str, given: Any) -> int | float:
    """Raises `LongSightError` unless `given` is any number."""
    if isinstance(given, bool) or not isinstance(given, (int, float)) or given != given:
        raise LongSightError(f"{name} must be a number, but {typed.said(given)} was given.")
    return given
