"""Logged models that a search finds, by what MLflow's clients ask: attributes, tags, parameters, and metrics on datasets."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from django.db.models import Exists, F, OuterRef, Q, QuerySet, Subquery

from experiments.models import LoggedModel, LoggedModelMetric

from .compare import moment_matches, number_matches, text_matches
from .grammar import Comparison, parse_filter, parse_order
from .pairs import PairValue, pair_matches
from .tokens import BadSearch
from .tree import as_q

KINDS: Final = ("attribute", "metric", "param", "tag")
TEXTS: Final = {
    "name": F("name"),
    "model_id": F("uid"),
    "model_type": F("model_type"),
    "status": F("status"),
    "source_run_id": F("run__uid"),
}
MOMENTS: Final = {"creation_timestamp": F("created_at"), "last_updated_timestamp": F("updated_at")}
OTHER_NAMES: Final = {
    "creation_time": "creation_timestamp",
    "creation_timestamp_ms": "creation_timestamp",
    "last_updated_time": "last_updated_timestamp",
    "last_updated_timestamp_ms": "last_updated_timestamp",
}


@dataclass(frozen=True)
class OnDataset:
    """Metrics on this data alone; on all of this name where there is no digest."""

    name: str
    digest: str = ""


@dataclass(frozen=True)
class ModelOrder:
    field: str
    ascending: bool = True
    dataset: OnDataset | None = None


def search_logged_models(
    models: QuerySet[LoggedModel],
    filter_text: str,
    datasets: Sequence[OnDataset] = (),
    orders: Sequence[ModelOrder] = (),
) -> QuerySet[LoggedModel]:
    """Those that match; after what is asked for the newest first. Raises BadSearch."""
    condition = parse_filter(filter_text, KINDS)
    if condition is not None:

        def metric(comparison: Comparison) -> Q:
            value = number_matches(F("value"), comparison)
            rows = LoggedModelMetric.objects.filter(value, model=OuterRef("pk"), name=comparison.field.key)
            return Q(Exists(rows.filter(_on(datasets)).order_by()))

        by_kind: dict[str, Callable[[Comparison], Q]] = {
            "attribute": _attribute,
            "metric": metric,
            "param": partial(pair_matches, LoggedModel, "params"),
            "tag": partial(pair_matches, LoggedModel, "tags"),
        }
        models = models.filter(as_q(condition, lambda comparison: by_kind[comparison.field.kind](comparison)))
    keys: list[Any] = []
    for order in orders:
        value = _value_of(order)
        keys.append(value.asc(nulls_last=True) if order.ascending else value.desc(nulls_last=True))
    return models.order_by(*keys, "-created_at", "-pk")


def _attribute(comparison: Comparison) -> Q:
    key = OTHER_NAMES.get(comparison.field.key, comparison.field.key)
    if key in TEXTS:
        return text_matches(TEXTS[key], comparison)
    if key in MOMENTS:
        return moment_matches(MOMENTS[key], comparison)
    raise BadSearch(f"Invalid attribute key {key!r} specified. Valid keys are {sorted([*TEXTS, *MOMENTS])}")


def _on(datasets: Sequence[OnDataset]) -> Q:
    found = Q()
    for dataset in datasets:
        one = Q(dataset_name=dataset.name)
        found |= one & Q(dataset_digest=dataset.digest) if dataset.digest else one
    return found


def _value_of(order: ModelOrder) -> Any:
    field = parse_order(order.field, KINDS).field
    if field.kind == "metric":
        rows = LoggedModelMetric.objects.filter(model=OuterRef("pk"), name=field.key)
        if order.dataset:
            rows = rows.filter(_on([order.dataset]))
        return Subquery(rows.order_by("-step", "-time", "-pk").values("value")[:1])
    if order.dataset:
        raise BadSearch("dataset_name is only for an order by metrics.")
    if field.kind in ("param", "tag"):
        return PairValue(f"{field.kind}s", field.key)
    key = OTHER_NAMES.get(field.key, field.key)
    known: dict[str, Any] = {**TEXTS, **MOMENTS}
    if key not in known:
        raise BadSearch(f"Invalid order by field {order.field!r}. Valid keys are {sorted(known)}")
    return known[key]
