"""Runs put together by what they have in common, with what the metrics of each group come to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from django.db.models import Avg, Count, F, Max, Min, OuterRef, Q, Subquery

from experiments.models import EnvironmentVersion, Metric, Run

from .best import column_of
from .conditions import MODELS
from .found import GROUPED, Found
from .grammar import Field
from .tokens import BadSearch

MOST: Final = 200  # groups; what is beyond is said
NONE: Final = "none"  # in an address: the group of those that have no value; values have a = before them


ENVIRONMENT: Final = Field("attribute", "environment")


@dataclass(frozen=True)
class Stats:
    """Of the runs of a group that have the metric; of its NaNs none counts."""

    mean: float
    least: float
    most: float


@dataclass
class Group:
    """`value` is None for the runs that have none; `label` is the value as people read it."""

    value: str | None
    label: str
    count: int
    stats: dict[Field, Stats] = field(default_factory=dict)

    @property
    def address(self) -> str:
        return NONE if self.value is None else f"={self.value}"


def value_of_address(text: str, by: Field) -> str | None:
    """The group's value. Raises BadSearch for what is in no address of ours."""
    value = text.removeprefix("=")
    is_number = value.isascii() and value.isdigit() and len(value) < 19
    if (text != NONE and not text.startswith("=")) or (by == ENVIRONMENT and text != NONE and not is_number):
        raise BadSearch(f"There is no group {text[:50]!r}.")
    return None if text == NONE else value


def groups_of(found: Found, by: Field, columns: Sequence[Field]) -> tuple[list[Group], bool]:
    """The groups, the largest first, and whether there are more than MOST of them."""
    value = _value(by, "pk")
    rows = (
        Run.objects.filter(pk__in=found.runs.values("pk"))
        .order_by()
        .annotate(group=value)
        .values("group")
        .annotate(runs=Count("pk"))
        .order_by("-runs", F("group").asc(nulls_last=True))
    )
    counted = [(row["group"], row["runs"]) for row in rows[: MOST + 1]]
    groups = {value: Group(_text(value), _text(value) or "", count) for value, count in counted[:MOST]}
    if by == ENVIRONMENT:
        _name_environments(groups)
    for column in dict.fromkeys(column for column in columns if column.kind == "metric"):
        for row in _stats(found, by, column, [value for value, _ in counted[:MOST]]):
            if (group := groups.get(row["group"])) and row["average"] is not None:
                group.stats[column] = Stats(row["average"], row["low"], row["high"])
    return list(groups.values()), len(counted) > MOST


def _stats(found: Found, by: Field, column: Field, shown: list[Any]) -> Any:
    number = column_of(column)
    metrics = Metric.objects.filter(name=column.key, run__in=found.runs.values("pk"), **{f"{number}__isnull": False})
    among = Q(group__in=[value for value in shown if value is not None]) | Q(group=None)
    grouped = metrics.order_by().annotate(group=_value(by, "run_id", "run__")).filter(among).values("group")
    return grouped.annotate(average=Avg(number), low=Min(number), high=Max(number))


def _value(by: Field, key: str, path: str = "") -> Any:
    """What runs are grouped by, for a row whose `key` is the run's and that leads to the run by `path`."""
    if by.kind == "attribute":
        return F(f"{path}{GROUPED[by.key]}")
    rows = MODELS[by.kind].objects.filter(run=OuterRef(key), name=by.key).order_by()
    return Subquery(rows.values("value")[:1])


def _text(value: Any) -> str | None:
    return None if value is None else str(value)


def label_of_value(by: Field, value: str) -> str:
    """A group's value as people read it."""
    if by != ENVIRONMENT:
        return value
    version = EnvironmentVersion.objects.filter(pk=value).select_related("environment").first()
    return _version_words(version) if version else value


def _name_environments(groups: dict[Any, Group]) -> None:
    versions = EnvironmentVersion.objects.filter(pk__in=[key for key in groups if key is not None])
    for version in versions.select_related("environment"):
        groups[version.pk].label = _version_words(version)


def _version_words(version: EnvironmentVersion) -> str:
    return f"{version.environment.name}:{version.version}"
