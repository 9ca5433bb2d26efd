"""The columns of a table of runs that come from what the runs logged."""

from typing import Any

from django.db.models import Count, Prefetch, QuerySet

from experiments.models import Metric, Parameter, Run, Tag
from experiments.querysets import RunQuerySet

COLUMNS = 5
CHIPS = 3
CHIPPED: dict[str, type[Tag | Parameter]] = {"tags": Tag, "parameters": Parameter}
LOOKED_AT = 50  # runs: what an experiment logged a thousand runs ago is no column of today


def metric_columns(runs: QuerySet[Run]) -> list[str]:
    """The metrics that most of the newest runs have, most frequent first."""
    newest = runs.order_by("-pk").values("pk")[:LOOKED_AT]
    counted = Metric.objects.filter(run__in=newest).order_by().values("name").annotate(runs=Count("pk"))
    return [row["name"] for row in counted.order_by("-runs", "name")[:COLUMNS]]


def with_values(runs: RunQuerySet, columns: list[str]) -> QuerySet[Run]:
    """Each run with `column_metrics`, `shown_tags` and `shown_parameters`: no more is fetched than is shown."""
    metrics = Prefetch("metrics", Metric.objects.filter(name__in=columns), to_attr="column_metrics")
    related = runs.with_children_count().select_related("workspace", "experiment", "created_by")
    return related.prefetch_related(metrics, *chips())


def chips() -> "list[Prefetch[str, Any]]":
    """A few of each run's parameters, and of the tags that people set: clients of MLflow set their own beside them."""
    return [
        Prefetch(
            name,
            model.objects.exclude(name__startswith="mlflow.").order_by("name")[:CHIPS],
            to_attr=f"shown_{name}",
        )
        for name, model in CHIPPED.items()
    ]
