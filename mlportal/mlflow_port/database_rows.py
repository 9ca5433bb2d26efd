"""Rows of MLflow's tables: what of them cannot be read is told, and the others are kept."""

from __future__ import annotations

import math
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, Final

from mlportal.mlflow_port import values
from mlportal.mlflow_port.database_file import DatabaseFile, Row, TooLong
from mlportal.mlflow_port.items import Unreadable
from mlportal.mlflow_port.report import Report
from mlportal.mlflow_port.values import text

GREATEST: Final = sys.float_info.max  # how MLflow stores infinity
WORKSPACE: Final = "default"  # MLflow 3 has workspaces of its own; who asks for none is in this one


class DatabaseRows:
    def __init__(self, file: DatabaseFile, report: Report) -> None:
        self.file, self.report = file, report

    def all(self, where: str, table: str, columns: Sequence[str], condition: str, *of: object) -> list[Row]:
        """Those that can be read."""
        try:
            try:
                return list(self.file.select(table, columns, condition, *of))
            except TooLong:
                return list(self._one_by_one(where, table, columns, condition, *of))
        except Unreadable as error:
            self.report.problem(where, error.message)
            return []

    def own(self, where: str, table: str, columns: Sequence[str], condition: str, *of: object) -> Iterator[Row]:
        """Those of the workspace that a client means who names none; how many others there are is told."""
        others: Counter[str] = Counter()
        for row in self.all(where, table, columns, condition, *of):
            if row["workspace"] in (None, WORKSPACE):
                yield row
            else:
                others[text(row["workspace"])] += 1
        for name, many in others.items():
            self.report.problem(
                where,
                f"{many} are in the workspace {name!r:.100} of that MLflow; those of {WORKSPACE!r} alone are taken",
            )

    def pairs(
        self, where: str, table: str, owner: str, of: object, key: str = "key", value: str = "value"
    ) -> dict[str, str]:
        rows = self.all(f"{where}, {table}", table, (key, value), f"{owner} = ?", of)
        return {text(row[key]): text(row[value]) for row in rows}

    def _one_by_one(self, where: str, table: str, columns: Sequence[str], condition: str, *of: object) -> Iterator[Row]:
        for row in self.file.select(table, ("rowid",), condition, *of):
            try:
                yield from self.file.select(table, columns, "rowid = ?", row["rowid"])
            except TooLong as error:
                self.report.problem(f"{where}, {table}", error.message)


def point_of(value: Any, is_nan: Any, time: Any, step: Any) -> tuple[float, int, int] | None:
    """Value, time and step, or None for what is no point of a metric."""
    number, moment, of = values.number(value), values.milliseconds(time), values.whole(step)
    if values.whole(is_nan) == 1:
        number = math.nan
    if number is None or moment is None or of is None:
        return None
    return math.copysign(math.inf, number) if abs(number) >= GREATEST else number, moment, of
