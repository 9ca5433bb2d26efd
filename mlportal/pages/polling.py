"""Fragments that ask again and again, but are drawn anew only when something changed (`?known=`)."""

import hashlib
from collections.abc import Iterable
from typing import Any

from django.http import HttpRequest


def state_of(*parts: Any) -> str:
    """A short name of what is shown; equal states have equal names."""
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]


def runs_state(runs: Iterable[Any]) -> str:
    return state_of([(run.pk, run.revision) for run in runs])


def is_known(request: HttpRequest, state: str) -> bool:
    """Whether the browser shows this state already: then answer 204, and htmx leaves the page alone."""
    return request.GET.get("known") == state
