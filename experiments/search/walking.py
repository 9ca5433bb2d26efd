"""The first of many runs in an order, without a look at all of them."""

from __future__ import annotations

from typing import Any, Final

from django.db.models import QuerySet

from experiments.models import Run
from mlportal.statements import Among

FIRST: Final = 250  # a page of runs of which a fifth match
LOOKED_AT: Final = 1500


def first_of(ordered: QuerySet[Any, int], runs: QuerySet[Run], most: int) -> list[int] | None:
    """Of `ordered`, which are keys of runs, the first `most` that are among `runs`; None when they are not all met near the
    beginning: then what was asked for is rare, or at the other end."""
    keys = list(ordered[:LOOKED_AT])
    found: list[int] = []
    for some in (keys[:FIRST], keys[FIRST:]):
        here = set(runs.filter(Among("pk", some)).values_list("pk", flat=True)) if some else set()
        found += [key for key in some if key in here]
        if len(found) >= most:
            return found[:most]
    return None
