"""What a table shows of its runs: the names that there are, and the values of some runs under some names."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import Final, NamedTuple

from django.db.models import Count, QuerySet, Value

from experiments.models import Metric, Run
from mlportal.statements import Among

from .conditions import MODELS
from .grammar import Field

LOOKED_AT: Final = 200  # runs: what an experiment logged a thousand runs ago is no column of today
MOST_NAMES: Final = 300
_LOGGED: Final = {"metric": Metric, **MODELS}


class Names:
    """Names of metrics, parameters and tags of the newest of some runs, those first that most of them have."""

    def __init__(self, runs: QuerySet[Run]) -> None:
        self._runs = runs

    @cached_property
    def newest(self) -> list[int]:
        return list(self._runs.order_by("-pk").values_list("pk", flat=True)[:LOOKED_AT])

    @cached_property
    def _by_kind(self) -> dict[str, list[str]]:
        metrics, *others = (
            model.objects.filter(Among("run_id", self.newest))
            .order_by()
            .values_list(Value(kind), "name")
            .annotate(runs=Count("pk"))
            for kind, model in _LOGGED.items()
        )
        found: dict[str, list[str]] = {kind: [] for kind in _LOGGED}
        for kind, name, _ in sorted(metrics.union(*others, all=True), key=lambda row: (-row[2], row[1])):
            found[kind].append(name)
        return {kind: names[:MOST_NAMES] for kind, names in found.items()}

    @property
    def metric(self) -> list[str]:
        return self._by_kind["metric"]

    @property
    def param(self) -> list[str]:
        return self._by_kind["param"]

    @property
    def tag(self) -> list[str]:
        return self._by_kind["tag"]

    @property
    def fields(self) -> list[Field]:
        return [Field(kind, name) for kind, names in self._by_kind.items() for name in names]


class Numbers(NamedTuple):
    """What a run logged of a metric; `last` is NaN where that was logged last."""

    last: float | None
    least: float | None
    most: float | None


Values = dict[tuple[int, str, str], Numbers | str]


def values_of(keys: Sequence[int], fields: Iterable[Field]) -> Values:
    """By run, kind and name: all numbers of a metric, the text of a parameter or a tag, "" for one without a value."""
    by_kind: dict[str, set[str]] = {}
    for one in fields:
        by_kind.setdefault(one.kind, set()).add(one.key)
    found: Values = {}
    if names := by_kind.get("metric"):
        metrics = Metric.objects.filter(Among("run_id", keys), name__in=names).order_by()
        for run, name, last, is_nan, least, most in metrics.values_list(
            "run_id", "name", "last", "last_is_nan", "least", "most"
        ):
            found[run, "metric", name] = Numbers(math.nan if is_nan else last, least, most)
    for kind, model in MODELS.items():
        if names := by_kind.get(kind):
            texts = model.objects.filter(Among("run_id", keys), name__in=names).order_by()
            for run, name, text in texts.values_list("run_id", "name", "value"):
                found[run, kind, name] = text or ""
    return found
