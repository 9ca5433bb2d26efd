"""The columns of a table of children that come from what the runs logged."""

from django.db.models import Count, Prefetch, QuerySet

from experiments.models import Metric, Run
from experiments.querysets import RunQuerySet

COLUMNS = 5
LOOKED_AT = 50  # runs: what an experiment logged a thousand runs ago is no column of today


def metric_columns(runs: QuerySet[Run]) -> list[str]:
    """The metrics that most of the newest runs have, most frequent first."""
    newest = runs.order_by("-pk").values("pk")[:LOOKED_AT]
    counted = Metric.objects.filter(run__in=newest).order_by().values("name").annotate(runs=Count("pk"))
    return [row["name"] for row in counted.order_by("-runs", "name")[:COLUMNS]]


def with_values(runs: RunQuerySet, columns: list[str]) -> QuerySet[Run]:
    """Each run with `column_metrics`: no more is fetched than is shown."""
    metrics = Prefetch("metrics", Metric.objects.filter(name__in=columns), to_attr="column_metrics")
    return runs.with_children_count().select_related("workspace", "experiment", "created_by").prefetch_related(metrics)
