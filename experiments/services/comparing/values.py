"""What runs were given and what they logged last, name by name beside one another: a handful of queries for any number of runs."""

from __future__ import annotations

import math
from collections.abc import Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from django.db.models import Count, QuerySet

from experiments.metrics import Goal, Summary, goal_of
from experiments.models import Metric, Parameter, Run, Tag
from experiments.models.measurements import summary_of

MOST_NAMES: Final = 500  # of parameters, of tags and of metrics in one comparison
STATISTICS: Final = ("last", "best", "min", "max")


@dataclass(frozen=True)
class TextRow:
    """One parameter or tag: its value in each run, None where the run has none."""

    name: str
    values: list[str | None]

    @property
    def differs(self) -> bool:
        return differ(self.values)


@dataclass(frozen=True)
class MetricRow:
    """One metric: its summary in each run, None where the run has none."""

    name: str
    summaries: list[Summary | None]
    goal: Goal

    @property
    def differs(self) -> bool:
        return any(differ(map(_key, self.values(column))) for column in ("last", "min", "max"))

    def values(self, statistic: str) -> list[float | None]:
        """`last`, `min`, `max` or `best` (the end that the goal says) of each run."""
        column = {"best": "min" if self.goal is Goal.LOWER else "max"}.get(statistic, statistic)
        return [None if summary is None else getattr(summary, column) for summary in self.summaries]

    def best(self, statistic: str) -> frozenset[int]:
        """The places of the best value; none while nothing differs. What is not finite is not the best."""
        found = {at: value for at, value in enumerate(self.values(statistic)) if value is not None}
        finite = {at: value for at, value in found.items() if math.isfinite(value)}
        if not finite or len({_key(value) for value in found.values()}) < 2:
            return frozenset()
        best = min(finite.values()) if self.goal is Goal.LOWER else max(finite.values())
        return frozenset(at for at, value in finite.items() if value == best)


@dataclass(frozen=True)
class Tables:
    """Rows by name; `left_out` says how many names are not among them, by kind."""

    parameters: list[TextRow]
    tags: list[TextRow]
    metrics: list[MetricRow]
    left_out: Mapping[str, int] = field(default_factory=dict)


def compared_values(
    runs: Sequence[Run],
    *,
    search: str = "",
    goals: Mapping[str, Goal] | None = None,
    most_texts: int = MOST_NAMES,
    most_metrics: int = MOST_NAMES,
) -> Tables:
    """The values of the names that hold `search`; those that most runs have come first when there are too many.

    `goals` = {metric: Goal} for those that are not what their names say.
    """
    places = {run.pk: at for at, run in enumerate(runs)}
    parameters, more_parameters = _names(Parameter, places, search, most_texts)
    tags, more_tags = _names(Tag, places, search, most_texts)
    metrics, more_metrics = _names(Metric, places, search, most_metrics)
    summaries: dict[str, list[Summary | None]] = {name: [None] * len(runs) for name in metrics}
    for pk, name, *columns in _rows(Metric, places, metrics).values_list("run_id", "name", *Metric.SUMMARY):
        summaries[name][places[pk]] = summary_of(columns)
    goals = goals or {}
    return Tables(
        parameters=_texts(Parameter, places, parameters),
        tags=_texts(Tag, places, tags),
        metrics=[MetricRow(name, summaries[name], goals.get(name) or goal_of(name)) for name in metrics],
        left_out={"parameters": more_parameters, "tags": more_tags, "metrics": more_metrics},
    )


def differ(values: Iterable[Hashable]) -> bool:
    return len(set(values)) > 1


def _names(
    model: type[Parameter | Tag | Metric], places: Collection[int], search: str, most: int
) -> tuple[list[str], int]:
    """The names that the runs have, sorted, and how many more there are."""
    rows: QuerySet[Any] = model._default_manager.filter(run__in=places).order_by()
    rows = rows.filter(name__icontains=search) if search else rows
    names = rows.values("name").annotate(runs=Count("pk")).order_by("-runs", "name").values_list("name", flat=True)
    found = list(names[: most + 1])
    more = rows.values("name").distinct().count() - most if len(found) > most else 0
    return sorted(found[:most]), more


def _rows(model: type[Parameter | Tag | Metric], places: Collection[int], names: Collection[str]) -> QuerySet[Any]:
    return model._default_manager.filter(run__in=places, name__in=names).order_by()


def _texts(model: type[Parameter | Tag], places: Mapping[int, int], names: Sequence[str]) -> list[TextRow]:
    values: dict[str, list[str | None]] = {name: [None] * len(places) for name in names}
    for pk, name, value in _rows(model, places, names).values_list("run_id", "name", "value"):
        values[name][places[pk]] = value or ""  # a tag without a value is there, too
    return [TextRow(name, values[name]) for name in names]


def _key(value: float | None) -> Hashable:
    """NaN is not equal to itself, and is the same value all the same."""
    return "NaN" if value is not None and math.isnan(value) else value
