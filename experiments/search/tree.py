"""A tree of comparisons as one condition of the database."""

from __future__ import annotations

from collections.abc import Callable

from django.db.models import Q

from .grammar import And, Comparison, Condition, Not


def as_q(condition: Condition, ask: Callable[[Comparison], Q]) -> Q:
    """`ask` says how one comparison is asked."""
    if isinstance(condition, Not):
        return ~as_q(condition.part, ask)
    if isinstance(condition, Comparison):
        return ask(condition)
    parts = Q()
    for part in condition.parts:
        parts = parts & as_q(part, ask) if isinstance(condition, And) else parts | as_q(part, ask)
    return parts
