"""Runs that a search finds, in the order that it asks for: one query, by the summaries of metrics and by indexes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from django.db.models import Case, F, FilteredRelation, IntegerField, Q, QuerySet, When

from experiments.models import Run
from experiments.querysets import RunQuerySet

from .attributes import ATTRIBUTES, NAME_TAG, PARENT_TAG, STARTED, attribute_named, value_of
from .best import column_of
from .conditions import KINDS, Conditions
from .grammar import Field, Order, parse_filter, parse_order
from .tokens import BadSearch

ORDERED_BY: Final = (*ATTRIBUTES, "experiment_id")

MAX_ORDERS: Final = 20  # each may be a join, of which SQLite takes 64


def search_runs(
    runs: RunQuerySet, filter_text: str, order_texts: Sequence[str] = (), *, start: int = 0, most: int
) -> list[int]:
    """The keys of those that match, `most` of them from `start` on, in order: after what is asked for by start, newest
    first, and by id. Raises BadSearch.

    Ordered by a metric, most pages have nothing but runs with a number: they are read from the index of the metric's
    numbers, however many runs there are.
    """
    condition = parse_filter(filter_text, KINDS)
    if len(order_texts) > MAX_ORDERS:
        raise BadSearch(f"Runs are ordered by at most {MAX_ORDERS} keys.")
    orders = [parse_order(text, KINDS) for text in order_texts]
    found = runs if condition is None else runs.filter(Conditions()(condition))
    ordered = _ordered(found, orders).values_list("pk", flat=True)
    if orders and orders[0].field.kind == "metric":
        page = list(_ordered(found, orders, with_number=True).values_list("pk", flat=True)[start : start + most])
        if len(page) == most:
            return page
    return list(ordered[start : start + most])


def _ordered(runs: QuerySet[Run], orders: Sequence[Order], *, with_number: bool = False) -> QuerySet[Run]:
    """What has no value comes last either way, and NaN before it; `with_number`: only those that the first key, a metric,
    has a number of."""
    keys: list[Any] = []
    seen: set[Field] = set()
    for place, order in enumerate(orders):
        field = order.field
        if field.kind == "dataset":
            raise BadSearch("Runs are not ordered by their datasets.")
        if field.kind == "attribute":
            field = Field("attribute", attribute_named(field.key, ORDERED_BY))
        if field in seen:
            raise BadSearch(f"`order_by` contains duplicate fields: {field.key!r}")
        seen.add(field)
        if relation := _relation_of(field):
            joined = f"order_{place}"
            runs = runs.alias(**{joined: FilteredRelation(relation, condition=Q(**{f"{relation}__name": field.key}))})
            column = column_of(field) if field.kind == "metric" else "value"
            value: Any = F(f"{joined}__{column}")
            if field.kind == "metric" and with_number and place == 0:
                runs = runs.filter(**{f"{joined}__{column}__isnull": False})
                keys.append(value.desc() if order.descending else value.asc())
                continue
            if field.kind == "metric":
                nan, none = Q(**{f"{joined}__last_is_nan": True}), Q(**{f"{joined}__{column}": None})
                whens = [When(none & nan, then=1), When(none, then=2)]
                keys.append(Case(*whens, default=0, output_field=IntegerField()))
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
    return value_of(field.key)
