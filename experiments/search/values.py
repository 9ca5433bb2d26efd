"""What a table shows of its runs: the names that there are, and the values of some runs under some names."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import Final

from django.db.models import QuerySet

from experiments.models import Metric, Parameter, Run, Tag

from .grammar import Field

LOOKED_AT: Final = 200  # runs: what an experiment logged a thousand runs ago is no column of today
MOST_NAMES: Final = 300


class Names:
    """Names of metrics, parameters and tags of the newest of some runs, those first that most of them have."""

    def __init__(self, runs: QuerySet[Run]) -> None:
        self._runs = runs

    @cached_property
    def _newest(self) -> list[int]:
        return list(self._runs.order_by("-pk").values_list("pk", flat=True)[:LOOKED_AT])

    @cached_property
    def metric(self) -> list[str]:
        return self._counted(Metric)

    @cached_property
    def param(self) -> list[str]:
        return self._counted(Parameter)

    @cached_property
    def tag(self) -> list[str]:
        return self._counted(Tag)

    @property
    def fields(self) -> list[Field]:
        return [Field(kind, name) for kind in ("metric", "param", "tag") for name in getattr(self, kind)]

    def _counted(self, model: type[Metric | Parameter | Tag]) -> list[str]:
        rows = model.objects.filter(run__in=self._newest).order_by().values_list("name", flat=True)
        found = Counter(rows)
        return sorted(found, key=lambda name: (-found[name], name))[:MOST_NAMES]


def values_of(keys: Sequence[int], fields: Iterable[Field]) -> dict[tuple[int, str, str], Metric | Parameter | Tag]:
    """The rows by run, kind and name; those of a metric hold all of its numbers."""
    found: dict[tuple[int, str, str], Metric | Parameter | Tag] = {}
    by_kind: dict[str, set[str]] = {}
    for one in fields:
        by_kind.setdefault(one.kind, set()).add(one.key)
    models: dict[str, type[Metric | Parameter | Tag]] = {"metric": Metric, "param": Parameter, "tag": Tag}
    for kind, model in models.items():
        if names := by_kind.get(kind):
            for row in model.objects.filter(run__in=keys, name__in=names).order_by():
                found[row.run_id, kind, row.name] = row
    return found
