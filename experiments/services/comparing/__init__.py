"""Runs beside one another: what each was given and logged, their curves, and how two of them differ."""

from experiments.services.comparing.chosen import Chosen, compared_runs, family_of, find_runs, newest_of, shown_runs
from experiments.services.comparing.curves import Curves, compared_curves
from experiments.services.comparing.differences import (
    Change,
    Difference,
    EnvironmentChanges,
    FileChange,
    FileDifference,
    compare_file,
    compare_two,
)
from experiments.services.comparing.values import (
    MOST_NAMES,
    STATISTICS,
    MetricRow,
    Tables,
    TextRow,
    compared_values,
)

__all__ = [
    "MOST_NAMES",
    "STATISTICS",
    "Change",
    "Chosen",
    "Curves",
    "Difference",
    "EnvironmentChanges",
    "FileChange",
    "FileDifference",
    "MetricRow",
    "Tables",
    "TextRow",
    "compare_file",
    "compare_two",
    "compared_curves",
    "compared_runs",
    "compared_values",
    "family_of",
    "find_runs",
    "newest_of",
    "shown_runs",
]
