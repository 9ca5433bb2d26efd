"""A table of runs as a page: of an experiment, or of all that the workspace has. The address says all of what is shown."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from importlib.util import find_spec
from typing import Any

from django.http import HttpResponse, QueryDict
from django.shortcuts import render
from django.urls import reverse

from experiments.metrics import Goal, goal_of
from experiments.models import Experiment, Run, SavedView
from experiments.querysets import RunQuerySet
from experiments.search import (
    ATTRIBUTES,
    COLUMN_ATTRIBUTES,
    GROUPED,
    LABELS,
    PARAMETERS,
    Asked,
    BadSearch,
    Field,
    Found,
    Names,
    Wanted,
    groups_of,
    label_of_value,
    value_of_address,
    values_of,
)
from experiments.status import RunStatus
from experiments.views.cells import Cell, cell_of, label_of, stats_cell
from experiments.views.choices import Choice, choices_of
from experiments.views.columns import COLUMNS, chips
from mlportal.access.roles import Role
from mlportal.pages import WorkspaceRequest, fragment
from mlportal.pages.paging import PAGE_SIZE
from mlportal.pages.polling import is_known, runs_state, state_of

MOST_PAGES = 100_000
EXPORTS = (("csv", "CSV"), ("parquet", "Parquet"))
MOST_EXPERIMENTS = 500
MOST_VIEWS = 200
MOST_OPEN = 10  # groups
DIFFERING = 60  # columns that are looked at for differences when none are chosen
FORM = "runs-form"  # the search; what is wrong with it is said beside it, and the table stays
ALWAYS = (Field("attribute", "status"), Field("attribute", "number"))
RELATED = ("workspace", "experiment", "created_by", "parent__experiment", "parent__workspace")
JOINED = {"environment": "environment_version__environment", "target": "compute_target"}


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


class RunsTable:
    """What the address asks for, of the runs that the person sees here."""

    def __init__(
        self, request: WorkspaceRequest, experiment: Experiment | None = None, query: QueryDict | None = None
    ) -> None:
        self.request = request
        self.query = request.GET if query is None else query
        self.experiment = experiment
        self.error: BadSearch | None = None
        self.asked = self._only(self._read())

    def _read(self) -> Asked:
        asked = {name: [text.replace("\0", "") for text in self.query.getlist(name)] for name in PARAMETERS}
        try:
            return Asked.of(asked)
        except BadSearch as error:
            self.error = error
            try:
                return Asked.of({**asked, "q": []})
            except BadSearch:
                return Asked()

    def _only(self, asked: Asked) -> Asked:
        """The same with the one group that is asked for."""
        text = self.query.get("only", "").replace("\0", "")
        if not asked.group or not text:
            return asked
        try:
            return replace(
                asked, wanted=replace(asked.wanted, group=(asked.group, value_of_address(text, asked.group)))
            )
        except BadSearch as error:
            self.error = self.error or error
            return asked

    @cached_property
    def everything(self) -> RunQuerySet:
        runs = Run.objects.kept().visible_to(self.request.user).in_workspace(self.request.workspace)
        return runs.filter(experiment=self.experiment) if self.experiment else runs

    @cached_property
    def here(self) -> str:
        """The page's path. The request's own is decoded, and names with slashes are quoted twice."""
        return (
            self.experiment.get_absolute_url()
            if self.experiment
            else reverse("runs", args=[self.request.workspace.name])
        )

    @cached_property
    def parent(self) -> Run | None:
        uid = self.query.get("parent", "").replace("\0", "")
        return self.everything.select_related("workspace", "experiment").filter(uid=uid).first() if uid else None

    @cached_property
    def found(self) -> Found:
        return Found(self.scope, self.asked.wanted)

    @cached_property
    def only(self) -> str | None:
        """The address of the one group whose runs are shown, page by page."""
        return self.query.get("only", "").replace("\0", "") or None if self.asked.group else None

    @property
    def is_grouped(self) -> bool:
        return self.asked.group is not None and self.only is None

    @property
    def group_label(self) -> str:
        return label_of(self.asked.group) if self.asked.group else ""

    @property
    def only_label(self) -> str:
        by, value = self.asked.wanted.group or (None, None)
        return label_of_value(by, value) if by and value is not None else "none"

    @property
    def all_groups(self) -> str:
        return self.address(only=None)

    @cached_property
    def opened(self) -> list[str]:
        return [text.replace("\0", "") for text in self.query.getlist("open")][:MOST_OPEN]

    @property
    def scope(self) -> RunQuerySet:
        """Children are under their parents, unless somebody looks for one."""
        wanted: Wanted = self.asked.wanted
        flat = wanted.is_narrow or self.asked.group
        return self.everything.filter(parent=self.parent) if self.parent or not flat else self.everything

    @cached_property
    def names(self) -> Names:
        return Names(self.everything)

    @property
    def group_choices(self) -> list[tuple[str, str, bool]]:
        """(address, label, whether it is chosen) of all by which runs can be put together."""
        attributes = [name for name in GROUPED if name != "experiment" or not self.experiment]
        fields = [Field("attribute", name) for name in attributes]
        fields += [field for field in self.names.fields if field.kind != "metric"]
        if self.asked.group and self.asked.group not in fields:
            fields.append(self.asked.group)
        labels = {**COLUMN_ATTRIBUTES, "status": "Status"}
        return [
            (str(field), labels[field.key] if field.kind == "attribute" else str(field), field == self.asked.group)
            for field in fields
        ]

    @property
    def choices(self) -> list[tuple[str, list[Choice]]]:
        return choices_of(self.names, self.columns)

    @property
    def experiment_names(self) -> list[str]:
        """Where runs can be moved to."""
        here = Experiment.objects.visible_to(self.request.user).in_workspace(self.request.workspace)
        return list(here.filter(archived_at=None).order_by("name").values_list("name", flat=True)[:MOST_EXPERIMENTS])

    @cached_property
    def views(self) -> list[SavedView]:
        """Those of this experiment, or of all runs."""
        here = SavedView.objects.visible_to(self.request.user).in_workspace(self.request.workspace)
        return list(here.filter(experiment=self.experiment).select_related("workspace")[:MOST_VIEWS])

    @cached_property
    def view(self) -> SavedView | None:
        """The one that is shown, changed or not."""
        uid = self.query.get("view", "")
        return next((view for view in self.views if view.uid == uid), None) if uid else None

    @property
    def is_changed(self) -> bool:
        """Whether it is another table than the view that it was."""
        now = {name: [text for text in self.query.getlist(name) if text] for name in PARAMETERS}
        return self.view is not None and {name: texts for name, texts in now.items() if texts} != self.view.query

    @property
    def exports(self) -> list[tuple[str, str]]:
        """What the table can be had as, and where."""
        place = [self.request.workspace.name, *([self.experiment.name] if self.experiment else [])]
        page = "experiment-export" if self.experiment else "runs-export"
        return [
            (label, reverse(page, args=[*place, kind]) + self.address())
            for kind, label in EXPORTS
            if kind != "parquet" or self.writes_parquet
        ]

    @property
    def writes_parquet(self) -> bool:
        return find_spec("arro3") is not None

    @property
    def plain_columns(self) -> str:
        return self.address(c=None, differ=None)

    @property
    def attribute_names(self) -> tuple[str, ...]:
        return ATTRIBUTES

    @cached_property
    def columns(self) -> tuple[Field, ...]:
        """Those that are asked for; else what most of the newest runs logged, and what every run has."""
        if self.asked.columns:
            return self.asked.columns
        if self.asked.differ:
            return tuple(self.names.fields[:DIFFERING])
        place = () if self.experiment else (Field("attribute", "experiment"),)
        # Of the runs that are listed: those of children that are not would be empty columns.
        metrics = (Field("metric", name) for name in Names(self.scope).metric[:COLUMNS])
        return (*place, *metrics, LABELS, Field("attribute", "duration"), Field("attribute", "created_at"))

    def address(self, **changes: Any) -> str:
        """The query of this address with other values; None takes one out. The page begins at the first one again."""
        query: QueryDict = self.query.copy()
        for name in ("known", "page"):
            query.pop(name, None)
        for name, value in changes.items():
            query.pop(name, None)
            if value is not None:
                query.setlist(name, value if isinstance(value, list) else [value])
        return f"?{query.urlencode()}"

    def rows(self, keys: list[int], columns: tuple[Field, ...]) -> list[Run]:
        """The runs in the order of their keys, each with its `cells`."""
        joined = [JOINED[column.key] for column in columns if column.kind == "attribute" and column.key in JOINED]
        runs: Any = Run.objects.filter(pk__in=keys).with_children_count().select_related(*RELATED, *joined)
        if LABELS in columns:
            runs = runs.prefetch_related(*chips())
        by_key = {run.pk: run for run in runs.order_by()}
        rows = [by_key[key] for key in keys if key in by_key]
        values = values_of(keys, columns)
        for run in rows:
            run.cells = [cell_of(run, column, values) for column in columns]
        return rows

    def heads(self, columns: tuple[Field, ...]) -> list[Head]:
        return [self._head(column) for column in columns]

    def _head(self, column: Field) -> Head:
        """Metrics begin with their best, the rest with the least; a second click turns it round, a third takes it back."""
        is_number = column.kind == "metric"
        if column == LABELS:
            return Head(column, label_of(column), "")
        label = {"status": "Status", "number": "Run"}.get(column.key, "") if column in ALWAYS else label_of(column)
        up, down = str(column), f"{column} DESC"
        order = next((order for order in self.asked.wanted.keys if order.field == column), None)
        newest_first = column.kind == "attribute" and column.key in ("created_at", "start_time", "end_time", "duration")
        first, second = (up, down)
        if newest_first or (is_number and goal_of(column.key) is Goal.HIGHER):
            first, second = down, up
        now = "" if order is None else down if order.descending else up
        following = {"": first, first: second, second: None}[now]
        direction = "" if order is None else "descending" if order.descending else "ascending"
        return Head(column, label, self.address(sort=following), direction, is_number)

    def response(self, page: str, more: dict[str, Any]) -> HttpResponse:
        request = self.request
        asked_by_form = request.htmx and request.headers.get("HX-Trigger") == FORM
        if self.error and asked_by_form:
            response = render(request, "experiments/runs/search_error.html", {"error": self.error, "swaps": True})
            response["HX-Reswap"], response["HX-Push-Url"] = "none", "false"
            return response
        number = self._page_number()
        keys = [] if self.is_grouped else self.found.keys((number - 1) * PAGE_SIZE, number * PAGE_SIZE + 1)
        columns = self.columns
        groups: list[dict[str, Any]] = []
        are_more = False
        if self.is_grouped:
            groups, are_more = self._groups(columns)
            rows = [run for group in groups for run in group["rows"]]
        else:
            rows = self.rows(keys[:PAGE_SIZE], columns)
        if self.asked.differ and not self.is_grouped:
            columns = _differing(rows, columns)
        state = state_of(
            [(group["group"], group["is_open"]) for group in groups],
            runs_state(rows),
            columns,
            self.found.count,
            len(keys),
            [getattr(row, "children_count", 0) for row in rows],
        )
        if is_known(request, state):
            return HttpResponse(status=204)
        first = (number - 1) * PAGE_SIZE + 1
        context = {
            "experiment": self.experiment,
            "parent": self.parent,
            "table": self,
            "asked": self.asked,
            "rows": rows,
            "groups": groups,
            "are_more_groups": are_more,
            "heads": self.heads(columns),
            "status_head": self._head(ALWAYS[0]),
            "run_head": self._head(ALWAYS[1]),
            "first": first,
            "last": first + len(rows) - 1,
            "found": self.found,
            "newer": self.address(page=str(number - 1)) if number > 1 else "",
            "older": self.address(page=str(number + 1)) if len(keys) > PAGE_SIZE else "",
            "state": state,
            "statuses": RunStatus.choices,
            "error": self.error,
            "swaps": asked_by_form,
            "is_live": not groups and any(not run.is_final for run in rows),  # groups are read at leisure
            "may_submit": request.role.includes(Role.CONTRIBUTOR),
            "has_runs": bool(rows or groups) or self.everything.exists(),
            "unfiltered": self.here + self.address(q=None, status=None),
            "kept": [
                (name, value)
                for name in (*PARAMETERS, "parent", "view", "only", "open")
                for value in self.query.getlist(name)
            ],
            **more,
        }
        return fragment(request, page, "experiments/runs/table.html", context)

    def _groups(self, columns: tuple[Field, ...]) -> tuple[list[dict[str, Any]], bool]:
        """For each group its cells, and its first runs when it is open; and whether there are more groups."""
        by = self.asked.group
        assert by is not None
        groups, are_more = groups_of(self.found, by, columns)
        shown = []
        for group in groups:
            is_open = group.address in self.opened
            rows: list[Run] = []
            if is_open:
                wanted = replace(self.asked.wanted, group=(by, group.value))
                rows = self.rows(Found(self.scope, wanted).keys(0, PAGE_SIZE), columns)
            others = [text for text in self.opened if text != group.address]
            shown.append(
                {
                    "group": group,
                    "cells": [
                        stats_cell(group.stats.get(column)) if column.kind == "metric" else "" for column in columns
                    ],
                    "rows": rows,
                    "is_open": is_open,
                    "toggle": self.address(open=others if is_open else [*others, group.address]),
                    "all": self.address(only=group.address, open=None) if group.count > len(rows) else "",
                }
            )
        return shown, are_more

    def _page_number(self) -> int:
        text = self.query.get("page", "")
        number = int(text) if text.isascii() and text.isdigit() and len(text) < 7 else 1
        number = max(1, min(number, MOST_PAGES))
        if self.found.is_counted:
            number = min(number, max(1, -(-self.found.count // PAGE_SIZE)))
        return number


def _differing(rows: list[Run], columns: tuple[Field, ...]) -> tuple[Field, ...]:
    """Takes the columns out of the rows in which all of them are alike; a single row differs from nothing."""
    if len(rows) < 2:
        return columns
    cells: list[list[Cell]] = [run.cells for run in rows]  # type: ignore[attr-defined]  # of `RunsTable.rows`
    kept = [place for place in range(len(columns)) if len({repr(row[place].value) for row in cells}) > 1]
    for run in rows:
        run.cells = [run.cells[place] for place in kept]  # type: ignore[attr-defined]
    return tuple(columns[place] for place in kept)
