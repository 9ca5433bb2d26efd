"""Which of a metric's numbers is meant, and which of them is its best one."""

from __future__ import annotations

from typing import Final

from experiments.metrics import Goal, goal_of

from .grammar import Field

_COLUMNS: Final = {"last": "last", "min": "least", "max": "most"}


def column_of(field: Field) -> str:
    """The column of `Metric` that a metric's field means."""
    stat = field.stat
    if stat == "best":
        stat = "min" if goal_of(field.key) is Goal.LOWER else "max"
    return _COLUMNS[stat]
