"""The columns of a table of runs that come from what the runs logged."""

from django.db.models import Count, F, OuterRef, Prefetch, QuerySet, Subquery

from experiments.models import Experiment, Metric, Run

COLUMNS = 5
LOOKED_AT = 200  # runs: what an experiment logged a thousand runs ago is no column of today


def metric_columns(experiment: Experiment) -> list[str]:
    """The metrics that most of its newest runs have, most frequent first."""
    newest = Run.objects.filter(experiment=experiment).order_by("-pk").values("pk")[:LOOKED_AT]
    counted = Metric.objects.filter(run__in=newest).order_by().values("name").annotate(runs=Count("pk"))
    return [row["name"] for row in counted.order_by("-runs", "name")[:COLUMNS]]


def with_values(runs: QuerySet[Run], columns: list[str]) -> QuerySet[Run]:
    """Each run with `column_metrics`, its tags and parameters: as many queries for fifty runs as for one."""
    metrics = Prefetch("metrics", Metric.objects.filter(name__in=columns), to_attr="column_metrics")
    return runs.select_related("workspace", "experiment", "created_by").prefetch_related(metrics, "tags", "parameters")


def order_by_metric(runs: QuerySet[Run], name: str, *, descending: bool) -> QuerySet[Run]:
    last = Subquery(Metric.objects.filter(run=OuterRef("pk"), name=name).values("last")[:1])
    by = F("metric_last").desc(nulls_last=True) if descending else F("metric_last").asc(nulls_last=True)
    return runs.annotate(metric_last=last).order_by(by, "-pk")
