"""Cells that belong to a part of a report in which one parameter is varied."""

from longsight.methods.self_extend import SelfExtend
from longsight.methods.truncation import Truncation

from ...runs.typed import named
from ..row import Row

SWEPT = {SelfExtend.key: "group", Truncation.key: "length"}
"""Parameters that have a part of their own."""


def swept(row: Row) -> bool:
    """Whether the method of a cell was given a value of the parameter that is varied for it."""
    key, values = named(row.method.text)
    return SWEPT.get(key) in values
