"""The tables of a comparison, cell by cell: a template draws thousands of them, so it has nothing left to decide."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from experiments.models import Run
from experiments.services.comparing import MetricRow, Tables, TextRow
from experiments.services.comparing.values import differ
from experiments.templatetags.run_format import shell
from mlportal.pages.wording import number_words

FEW = 8  # runs that stand beside one another as columns; more of them are rows
SHOWN = 80  # characters of a value; a pointer that rests on it shows more
ONE_LINE = 28  # characters; what is longer is wrapped
TITLE = 500
BEST = "is-best"
MARKED = ("last", "best")


class Cell(NamedTuple):
    """`mark` is a class of css/compare.css, or nothing."""

    text: str
    title: str = ""
    mark: str = ""


@dataclass(frozen=True)
class TableRow:
    """One name, or one statistic of a metric, and a cell for each run."""

    name: str
    differs: bool
    cells: list[Cell]
    statistic: str = ""
    goal: str = ""
    span: int = 1  # rows that the name stands before; 0: it stands before the row above


@dataclass(frozen=True)
class Table:
    key: str
    title: str
    rows: list[TableRow]
    numeric: bool = False
    by_run: list[tuple[Run, str, list[tuple[Cell, bool]]]] = field(default_factory=list)

    @property
    def differing(self) -> int:
        return sum(row.differs and row.span > 0 for row in self.rows)


def look_of(at: int) -> str:
    """The classes of the swatch of the run at this place: eight colours, then the same ones striped, as its lines are dashed."""
    return f"run-colour-{at % 8} run-dash-{at // 8 % 4}"


def tables_of(runs: Sequence[Run], values: Tables, statistics: Sequence[str]) -> list[Table]:
    """Those that have rows; metrics first, for they are what a comparison is for."""
    numbers = [row for metric in values.metrics for row in _metric_rows(metric, statistics)]
    found = [
        _table(runs, "metrics", "Metrics", numbers, numeric=True),
        _table(runs, "parameters", "Parameters", map(_text_row, values.parameters)),
        _table(runs, "tags", "Tags", map(_text_row, values.tags)),
        _table(runs, "setup", "Set-up", _setup_rows(runs)),
    ]
    return [table for table in found if table.rows]


def _table(runs: Sequence[Run], key: str, title: str, rows: Any, *, numeric: bool = False) -> Table:
    listed = list(rows)
    by_run = [(run, look_of(at), [(row.cells[at], row.differs) for row in listed]) for at, run in enumerate(runs)]
    return Table(key, title, listed, numeric, by_run)


def _metric_rows(metric: MetricRow, statistics: Sequence[str]) -> list[TableRow]:
    rows = []
    for at, statistic in enumerate(statistics):
        # Beside the others, the highest of the lowest values is no news.
        best = metric.best(statistic) if statistic in MARKED or len(statistics) == 1 else frozenset()
        cells = [
            Cell("—") if value is None else _number_cell(value, place in best)
            for place, value in enumerate(metric.values(statistic))
        ]
        differs = metric.differs
        span = 0 if at else len(statistics)
        rows.append(TableRow(metric.name, differs, cells, statistic, metric.goal.value, span))
    return rows


def _number_cell(value: float, best: bool) -> Cell:
    text, whole = number_words(value), repr(value)
    return Cell(text, "" if text == whole or not math.isfinite(value) else whole, BEST if best else "")


def _text_row(row: TextRow) -> TableRow:
    return TableRow(row.name, row.differs, [_text_cell(value) for value in row.values])


def _text_cell(value: str | None) -> Cell:
    if value is None:
        return Cell("—")
    short = value if len(value) <= SHOWN else f"{value[: SHOWN - 1]}…"
    return Cell(short, value[:TITLE] if short is not value else "", "is-long" if len(short) > ONE_LINE else "")


def _setup_rows(runs: Sequence[Run]) -> list[TableRow]:
    facts: dict[str, list[str | None]] = {
        "Script": [run.script or None for run in runs],
        "Arguments": [shell(run.arguments) or None for run in runs],
        "Code": [run.snapshot.digest[:12] if run.snapshot else None for run in runs],
        "Environment": [str(run.environment_version) if run.environment_version else None for run in runs],
        "Compute": [run.compute_target.name if run.compute_target else None for run in runs],
    }
    return [
        TableRow(name, differ(values), [_text_cell(value) for value in values])
        for name, values in facts.items()
        if any(values)
    ]
