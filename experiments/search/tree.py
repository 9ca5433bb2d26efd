"""A tree of comparisons as one condition of the database."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from django.db.models import Q

from .grammar import And, Comparison, Condition, Not


def as_q(condition: Condition, by_kind: Mapping[str, Callable[[Comparison], Q]]) -> Q:
    """`by_kind` says for each kind of field how a comparison of it is asked."""
    if isinstance(condition, Not):
        return ~as_q(condition.part, by_kind)
    if isinstance(condition, Comparison):
        return by_kind[condition.field.kind](condition)
    parts = Q()
    for part in condition.parts:
        parts = parts & as_q(part, by_kind) if isinstance(condition, And) else parts | as_q(part, by_kind)
    return parts
