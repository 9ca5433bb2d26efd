"""What the address of a table of runs asks for, of the runs that the person sees here."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from typing import Any

from django.http import QueryDict
from django.urls import reverse

from experiments.models import Experiment, Run
from experiments.querysets import RunQuerySet
from experiments.search import LABELS, PARAMETERS, Asked, BadSearch, Field, Found, Names, Wanted, value_of_address
from experiments.views.columns import COLUMNS
from mlportal.pages import WorkspaceRequest
from mlportal.pages.paging import PAGE_SIZE

MOST_PAGES = 100_000
MOST_OPEN = 10  # groups
DIFFERING = 60  # columns that are looked at for differences when none are chosen


class RunsTable:
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
        text = self._said("only")
        if not asked.group or not text:
            return asked
        try:
            return replace(
                asked, wanted=replace(asked.wanted, group=(asked.group, value_of_address(text, asked.group)))
            )
        except BadSearch as error:
            self.error = self.error or error
            return asked

    def _said(self, name: str) -> str:
        return self.query.get(name, "").replace("\0", "")

    @cached_property
    def everything(self) -> RunQuerySet:
        runs = Run.objects.kept().visible_to(self.request.user, self.request.workspace)
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
        uid = self._said("parent")
        return self.everything.select_related("workspace", "experiment").filter(uid=uid).first() if uid else None

    @property
    def scope(self) -> RunQuerySet:
        """Children are under their parents, unless somebody looks for one."""
        return self.everything if self._is_flat else self.everything.filter(parent=self.parent)

    @cached_property
    def _is_flat(self) -> bool:
        wanted: Wanted = self.asked.wanted
        return self.parent is None and bool(wanted.is_narrow or self.asked.group)

    @cached_property
    def found(self) -> Found:
        return Found(self.scope, self.asked.wanted)

    @cached_property
    def only(self) -> str | None:
        """The address of the one group whose runs are shown, page by page."""
        return self._said("only") or None if self.asked.group else None

    @property
    def is_grouped(self) -> bool:
        return self.asked.group is not None and self.only is None

    @cached_property
    def opened(self) -> list[str]:
        """The addresses of groups that show their first runs."""
        return [text.replace("\0", "") for text in self.query.getlist("open")][:MOST_OPEN]

    @cached_property
    def names(self) -> Names:
        return Names(self.everything)

    @cached_property
    def columns(self) -> tuple[Field, ...]:
        """Those that are asked for; else what most of the newest runs logged, and what every run has."""
        if self.asked.columns:
            return self.asked.columns
        if self.asked.differ:
            return tuple(self.names.fields[:DIFFERING])
        place = () if self.experiment else (Field("attribute", "experiment"),)
        # Of the runs that are listed: those of children that are not would be empty columns.
        names = self.names
        if not self._is_flat and (listed := Names(self.scope)).newest != names.newest:
            names = listed
        metrics = (Field("metric", name) for name in names.metric[:COLUMNS])
        return (*place, *metrics, LABELS, Field("attribute", "duration"), Field("attribute", "created_at"))

    @cached_property
    def page_number(self) -> int:
        text = self.query.get("page", "")
        number = int(text) if text.isascii() and text.isdigit() and len(text) < 7 else 1
        number = max(1, min(number, MOST_PAGES))
        if number > 1 and self.found.is_counted:
            number = min(number, max(1, -(-self.found.count // PAGE_SIZE)))
        return number

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
