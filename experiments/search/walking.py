"""The first of many runs in an order, without a look at all of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from django.db.models import QuerySet

from experiments.models import Run

from .planned import listed

STEPS: Final[tuple[int, ...]] = (
    250,
    1250,
)  # of an order that an index holds; the first is a page of runs of which a fifth match


def first_of(ordered: QuerySet[Any, int], runs: QuerySet[Run], most: int, steps: Sequence[int]) -> list[int] | None:
    """Of `ordered`, which are keys of runs, the first `most` that are among `runs`; None when they are not all met within so
    many steps: then what was asked for is rare, or at the other end."""
    found: list[int] = []
    at = 0
    for step in steps:
        some = list(ordered[at : at + step])
        here = set(runs.filter(pk__in=listed(some)).values_list("pk", flat=True))
        found += [key for key in some if key in here]
        if len(found) >= most:
            return found[:most]
        if len(some) < step:
            break
        at += step
    return None
