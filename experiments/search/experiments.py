"""Experiments that a search finds. A workspace has few, so they are compared one by one, without a query for each word."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Final

from experiments.models import Experiment

from .compare import matches
from .grammar import And, Comparison, Condition, Field, Not, Order, parse_filter, parse_order
from .tokens import BadSearch

KINDS: Final = ("attribute", "tag")
TEXTS: Final = ("name", "experiment_id")
MOMENTS: Final = {"creation_time": "created_at", "last_update_time": "updated_at"}


def search_experiments(
    experiments: Iterable[Experiment], filter_text: str, order_texts: Sequence[str] = ()
) -> list[Experiment]:
    """Those that match, ordered; after what is asked for by their creation, newest first. Raises BadSearch."""
    condition = parse_filter(filter_text, KINDS)
    orders = [parse_order(text, KINDS) for text in order_texts]
    for order in orders:
        if order.field.kind != "attribute":
            raise BadSearch(f"Invalid order_by entity {order.field.key!r}: experiments are ordered by attributes.")
        _check(order.field)
    if condition:
        _holds(
            condition, Experiment(pk=0, created_at=datetime.now(), updated_at=datetime.now())
        )  # refuses what is wrong
    found = [experiment for experiment in experiments if condition is None or _holds(condition, experiment)]
    found.sort(key=lambda experiment: (-milliseconds(experiment.created_at), -experiment.pk))
    for order in reversed(orders):
        found.sort(key=_key(order), reverse=order.descending)
    return found


def milliseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)


def _key(order: Order) -> Any:
    return lambda experiment: experiment.pk if order.field.key == "experiment_id" else _value(order.field, experiment)


def _value(field: Field, experiment: Experiment) -> Any:
    if field.kind == "tag":
        value = experiment.tags.get(field.key)
        return "" if value is None and field.key in experiment.tags else value
    if field.key in MOMENTS:
        return milliseconds(getattr(experiment, MOMENTS[field.key]))
    return experiment.name if field.key == "name" else str(experiment.pk)


def _check(field: Field) -> None:
    if field.kind == "attribute" and field.key not in (*TEXTS, *MOMENTS):
        raise BadSearch(f"Invalid attribute key {field.key!r} specified. Valid keys are {sorted([*TEXTS, *MOMENTS])}")


def _holds(condition: Condition, experiment: Experiment) -> bool:
    """Every part is asked, so that a wrong one is found whatever the others say."""
    if isinstance(condition, Not):
        return not _holds(condition.part, experiment)
    if not isinstance(condition, Comparison):
        held = [_holds(part, experiment) for part in condition.parts]
        return all(held) if isinstance(condition, And) else any(held)
    _check(condition.field)
    value = _value(condition.field, experiment)
    if condition.sign in ("IS NULL", "IS NOT NULL"):
        if condition.field.kind != "tag":
            raise BadSearch(
                f"IS NULL / IS NOT NULL is only supported for tags, not for attribute {condition.field.key!r}"
            )
        return (value is None) == (condition.sign == "IS NULL")
    return matches(value, condition, number=condition.field.key in MOMENTS and condition.field.kind == "attribute")
