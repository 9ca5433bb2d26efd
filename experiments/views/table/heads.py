"""The heads of a table of runs."""

from __future__ import annotations

from dataclasses import dataclass

from experiments.metrics import Goal, goal_of
from experiments.search import LABELS, Field

from .cells import label_of
from .runs_table import RunsTable

ALWAYS = {Field("attribute", "status"): "Status", Field("attribute", "number"): "Run"}
NEWEST_FIRST = ("created_at", "start_time", "end_time", "duration")


@dataclass(frozen=True)
class Head:
    """The head of a column: its label, what it is in an address, and where a click on it leads."""

    column: Field
    label: str
    href: str
    direction: str = ""
    is_number: bool = False

    @property
    def text(self) -> str:
        return str(self.column)

    @property
    def stat(self) -> str:
        return "" if self.column.stat == "last" else self.column.stat


def head_of(table: RunsTable, column: Field) -> Head:
    """Metrics begin with their best, the rest with the least; a second click turns it round, a third takes it back."""
    if column == LABELS:
        return Head(column, label_of(column), "")
    label = ALWAYS.get(column) or label_of(column)
    is_number = column.kind == "metric"
    up, down = str(column), f"{column} DESC"
    order = next((order for order in table.asked.wanted.keys if order.field == column), None)
    newest_first = column.kind == "attribute" and column.key in NEWEST_FIRST
    first, second = (up, down)
    if newest_first or (is_number and goal_of(column.key) is Goal.HIGHER):
        first, second = down, up
    now = "" if order is None else down if order.descending else up
    following = {"": first, first: second, second: None}[now]
    direction = "" if order is None else "descending" if order.descending else "ascending"
    return Head(column, label, table.address(sort=following), direction, is_number)
