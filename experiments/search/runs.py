"""Runs that a search finds, in the order that it asks for: one query, by the summaries of metrics and by indexes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from django.db.models import Case, Exists, F, FilteredRelation, IntegerField, OuterRef, Q, QuerySet, Value, When
from django.db.models.fields import CharField
from django.db.models.functions import Cast, Coalesce, Concat

from experiments.models import LoggedDataset, Metric, Parameter, Run, Tag
from experiments.querysets import RunQuerySet
from experiments.status import RunStatus

from .compare import matches, moment_matches, number_matches, text_matches
from .conditions import as_q
from .grammar import Comparison, Field, Order, parse_filter, parse_order
from .tokens import BadSearch

KINDS: Final = ("attribute", "dataset", "metric", "param", "tag")
# MLflow's names of the statuses. `Preparing` and the like are what it calls scheduled.
MLFLOW_STATUS: Final = {
    RunStatus.NOT_STARTED: "SCHEDULED",
    RunStatus.PREPARING: "SCHEDULED",
    RunStatus.QUEUED: "SCHEDULED",
    RunStatus.RUNNING: "RUNNING",
    RunStatus.FINALIZING: "RUNNING",
    RunStatus.COMPLETED: "FINISHED",
    RunStatus.FAILED: "FAILED",
    RunStatus.CANCELED: "KILLED",
}
STARTED: Final = Coalesce("started_at", "created_at")  # the index runs_by_start has it so
ARTIFACT_URI: Final = Concat(
    Value("mlflow-artifacts:/"),
    Cast("experiment_id", CharField()),
    Value("/"),
    F("uid"),
    Value("/artifacts"),
    output_field=CharField(),
)
TEXTS: Final[dict[str, Any]] = {
    "run_id": F("uid"),
    "run_name": F("name"),
    "user_id": F("created_by__username"),
    "artifact_uri": ARTIFACT_URI,
}
MOMENTS: Final[dict[str, Any]] = {"start_time": STARTED, "end_time": F("ended_at")}
OTHER_NAMES: Final = {
    "created": "start_time",
    "Created": "start_time",
    "run name": "run_name",
    "Run name": "run_name",
    "Run Name": "run_name",
}
ATTRIBUTES: Final = (*TEXTS, *MOMENTS, "status")
DATASETS: Final = ("context", "digest", "name")
# Tags that the portal keeps as fields of the run: they are looked for there.
NAME_TAG, PARENT_TAG = "mlflow.runName", "mlflow.parentRunId"


def search_runs(
    runs: RunQuerySet, filter_text: str, order_texts: Sequence[str] = (), *, start: int = 0, most: int
) -> list[int]:
    """The keys of those that match, `most` of them from `start` on, in order: after what is asked for by start, newest
    first, and by id. Raises BadSearch.

    Ordered by a metric, most pages have nothing but runs with a number: they are read from the index of the metric's
    numbers, however many runs there are.
    """
    condition = parse_filter(filter_text, KINDS)
    orders = [parse_order(text, KINDS) for text in order_texts]
    found = runs if condition is None else runs.filter(as_q(condition, _BY_KIND))
    ordered = _ordered(found, orders).values_list("pk", flat=True)
    if orders and orders[0].field.kind == "metric":
        page = list(_ordered(found, orders, with_number=True).values_list("pk", flat=True)[start : start + most])
        if len(page) == most:
            return page
    return list(ordered[start : start + most])


def _attribute(comparison: Comparison) -> Q:
    key = OTHER_NAMES.get(comparison.field.key, comparison.field.key)
    if key == "status":
        return Q(status__in=[status for status, name in MLFLOW_STATUS.items() if matches(name, comparison)])
    if key in TEXTS:
        if comparison.sign in ("IN", "NOT IN") and key != "run_id":
            raise BadSearch("Only ['run_id'] attributes support comparison with a list of quoted string values.")
        return text_matches(TEXTS[key], comparison)
    if key in MOMENTS:
        return moment_matches(MOMENTS[key], comparison)
    raise BadSearch(f"Invalid attribute key {key!r} specified. Valid keys are {sorted(ATTRIBUTES)}")


def _metric(comparison: Comparison) -> Q:
    value = number_matches(F("last"), comparison)
    if comparison.sign == "!=":
        value |= Q(last_is_nan=True)
    return Q(Exists(Metric.objects.filter(value, run=OuterRef("pk"), name=comparison.field.key).order_by()))


def _param(comparison: Comparison) -> Q:
    return _named(Parameter.objects.all(), comparison)


def _tag(comparison: Comparison) -> Q:
    if comparison.field.key == NAME_TAG:
        return _null(comparison, Q(name="")) or text_matches(F("name"), comparison)
    if comparison.field.key == PARENT_TAG:
        if comparison.sign == "IS NULL":
            return Q(parent=None) & _named(Tag.objects.all(), comparison)
        parent = Q(parent__isnull=False) if comparison.value is None else text_matches(F("parent__uid"), comparison)
        return parent | _named(Tag.objects.all(), comparison)  # a parent elsewhere is a tag and no more
    return _named(Tag.objects.all(), comparison)


def _null(comparison: Comparison, missing: Q) -> Q | None:
    if comparison.sign == "IS NULL":
        return missing
    return ~missing if comparison.sign == "IS NOT NULL" else None


def _named(rows: QuerySet[Any], comparison: Comparison) -> Q:
    rows = rows.filter(run=OuterRef("pk"), name=comparison.field.key).order_by()
    there = Q(Exists(rows))
    if null := _null(comparison, ~there):
        return null
    if comparison.sign in ("IN", "NOT IN"):
        raise BadSearch("Only ['run_id'] attributes support comparison with a list of quoted string values.")
    return Q(Exists(rows.filter(text_matches(F("value"), comparison))))


def _dataset(comparison: Comparison) -> Q:
    key = comparison.field.key
    if key not in DATASETS:
        raise BadSearch(f"Invalid dataset key {key!r} specified. Valid keys are {list(DATASETS)}")
    rows = LoggedDataset.objects.filter(run=OuterRef("pk")).order_by()
    return Q(Exists(rows.filter(text_matches(F(key), comparison))))


_BY_KIND: Final[dict[str, Callable[[Comparison], Q]]] = {
    "attribute": _attribute,
    "dataset": _dataset,
    "metric": _metric,
    "param": _param,
    "tag": _tag,
}


def _ordered(runs: QuerySet[Run], orders: Sequence[Order], *, with_number: bool = False) -> QuerySet[Run]:
    """What has no value comes last either way, and NaN before it; `with_number`: only those that the first key, a metric,
    has a number of."""
    keys: list[Any] = []
    seen: set[Field] = set()
    for place, order in enumerate(orders):
        field = Field(order.field.kind, OTHER_NAMES.get(order.field.key, order.field.key))
        if field in seen:
            raise BadSearch(f"`order_by` contains duplicate fields: {field.key!r}")
        seen.add(field)
        if relation := _relation_of(field):
            joined = f"order_{place}"
            runs = runs.alias(**{joined: FilteredRelation(relation, condition=Q(**{f"{relation}__name": field.key}))})
            value: Any = F(f"{joined}__{'last' if field.kind == 'metric' else 'value'}")
            if field.kind == "metric" and with_number and place == 0:
                runs = runs.filter(**{f"{joined}__last__isnull": False})
                keys.append(value.desc() if order.descending else value.asc())
                continue
            if field.kind == "metric":
                nan, none = Q(**{f"{joined}__last_is_nan": True}), Q(**{f"{joined}__last": None})
                keys.append(Case(When(nan, then=1), When(none, then=2), default=0, output_field=IntegerField()))
        else:
            value = _value_of(field)
            runs = runs.alias(**{f"order_{place}": value})
            value = F(f"order_{place}")
        keys.append(value.desc(nulls_last=True) if order.descending else value.asc(nulls_last=True))
    if Field("attribute", "start_time") not in seen:
        keys.append(STARTED.desc())
    return runs.order_by(*keys, "uid")


def _relation_of(field: Field) -> str | None:
    """Where its values are, for what is no field of the run: one row at most for each run and name."""
    if field.kind == "tag" and field.key in (NAME_TAG, PARENT_TAG):
        return None
    return {"metric": "metrics", "param": "parameters", "tag": "tags"}.get(field.kind)


def _value_of(field: Field) -> Any:
    if field.kind == "tag":
        return F("name") if field.key == NAME_TAG else F("parent__uid")
    if field.kind == "attribute" and field.key == "status":
        whens = [When(status=status, then=Value(name)) for status, name in MLFLOW_STATUS.items()]
        return Case(*whens, output_field=CharField())
    known = {**TEXTS, **MOMENTS, "experiment_id": F("experiment_id")}
    if field.kind != "attribute" or field.key not in known:
        raise BadSearch(f"Invalid attribute key {field.key!r} specified. Valid keys are {sorted([*known, 'status'])}")
    return known[field.key]
