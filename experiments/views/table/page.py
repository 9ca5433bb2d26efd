"""The page of a table of runs, or what of it has changed."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse
from django.shortcuts import render

from experiments.search import PARAMETERS
from experiments.status import RunStatus
from mlportal.access.roles import Role
from mlportal.pages import fragment
from mlportal.pages.paging import PAGE_SIZE
from mlportal.pages.polling import is_known, runs_state, state_of

from .groups import ShownGroup, shown_groups
from .heads import ALWAYS, head_of
from .rows import Row, differing, draw, rows_of
from .runs_table import RunsTable
from .tools import Tools

FORM = "runs-form"  # the search; what is wrong with it is said beside it, and the table stays


def page_of_runs(table: RunsTable, page: str, more: dict[str, Any]) -> HttpResponse:
    """`page` is the template of the whole page, `more` what it has beside the table."""
    request = table.request
    asked_by_form = request.htmx and request.headers.get("HX-Trigger") == FORM
    if table.error and asked_by_form:
        response = render(request, "experiments/runs/search_error.html", {"error": table.error, "swaps": True})
        response["HX-Reswap"], response["HX-Push-Url"] = "none", "false"
        return response
    number, columns = table.page_number, table.columns
    before = (number - 1) * PAGE_SIZE
    keys: list[int] = []
    groups: list[ShownGroup] = []
    are_more_groups = False
    if table.is_grouped and (by := table.asked.group):
        groups, are_more_groups = shown_groups(table, by, columns)
        rows: list[Row] = [row for group in groups for row in group.rows]
    else:
        keys = table.found.keys(before, before + PAGE_SIZE + 1)
        rows = rows_of(table, keys[:PAGE_SIZE], columns)
        if table.asked.differ:
            columns = differing(rows, columns)
    state = state_of(
        [(group.group, group.is_open) for group in groups],
        runs_state(row.run for row in rows),
        columns,
        table.found.count,
        len(keys),
        [row.children_count for row in rows],
    )
    if is_known(request, state):
        return HttpResponse(status=204)
    draw(table, rows)
    status_head, run_head = (head_of(table, column) for column in ALWAYS)
    context = {
        "experiment": table.experiment,
        "parent": table.parent,
        "table": table,
        "tools": Tools(table),
        "asked": table.asked,
        "rows": rows,
        "groups": groups,
        "are_more_groups": are_more_groups,
        "heads": [head_of(table, column) for column in columns],
        "status_head": status_head,
        "run_head": run_head,
        "first": before + 1,
        "last": before + len(rows),
        "found": table.found,
        "newer": table.address(page=str(number - 1)) if number > 1 else "",
        "older": table.address(page=str(number + 1)) if len(keys) > PAGE_SIZE else "",
        "state": state,
        "statuses": RunStatus.choices,
        "error": table.error,
        "swaps": asked_by_form,
        "is_live": not groups and any(not row.run.is_final for row in rows),  # groups are read at leisure
        "may_submit": request.role.includes(Role.CONTRIBUTOR),
        "has_runs": bool(rows or groups) or (table.experiment is not None and table.experiment.runs.exists()),
        "unfiltered": table.here + table.address(q=None, status=None),
        "kept": [
            (name, value)
            for name in (*PARAMETERS, "parent", "view", "only", "open")
            for value in table.query.getlist(name)
        ],
        **more,
    }
    return fragment(request, page, "experiments/runs/table.html", context)
