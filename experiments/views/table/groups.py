"""The groups of a table of runs, those that are open with their first runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from django.utils.safestring import SafeString

from experiments.search import Field, Found, groups_of
from experiments.search.groups import Group
from mlportal.pages.paging import PAGE_SIZE

from .cells import stats_cell
from .rows import Row, rows_of
from .runs_table import RunsTable


@dataclass
class ShownGroup:
    """`toggle` is the address that opens or closes it, `all` that of its runs page by page, when they are more."""

    group: Group
    cells: list[SafeString | str]
    is_open: bool
    toggle: str
    rows: list[Row]
    all: str


def shown_groups(table: RunsTable, by: Field, columns: Sequence[Field]) -> tuple[list[ShownGroup], bool]:
    """And whether there are more groups."""
    groups, are_more = groups_of(table.found, by, columns)
    return [_shown(table, by, group, columns) for group in groups], are_more


def _shown(table: RunsTable, by: Field, group: Group, columns: Sequence[Field]) -> ShownGroup:
    is_open = group.address in table.opened
    rows: list[Row] = []
    if is_open:
        wanted = replace(table.asked.wanted, group=(by, group.value))
        rows = rows_of(table, Found(table.scope, wanted).keys(0, PAGE_SIZE), columns)
    others = [text for text in table.opened if text != group.address]
    return ShownGroup(
        group,
        [stats_cell(group.stats.get(column)) if column.kind == "metric" else "" for column in columns],
        is_open,
        table.address(open=others if is_open else [*others, group.address]),
        rows,
        table.address(only=group.address, open=None) if group.count > len(rows) else "",
    )
