"""What people type into the box over a table of runs: plain words, or a search."""

from __future__ import annotations

import re
from typing import Final

from django.db import connection
from django.db.models import F, OuterRef, Q
from django.db.models.lookups import In

from experiments.models import Parameter, Tag
from experiments.models.expressions import EachExists, Unindexed
from mlportal.access.models import User

from .compare import Like

_KIND: Final = r"(?:metrics?|param(?:eter)?s?|tags?|attr(?:ibute)?s?|run|datasets?)"
_SEARCH: Final = re.compile(
    rf"[=<>]|(?:^|[\s(]){_KIND}\.\S|"
    r"^\s*(?:not\s+)?[\w.`]+\s+(?:(?:not\s+)?i?like\s*['\"]|(?:not\s+)?in\s*\(|is\s+(?:not\s+)?null)",
    re.IGNORECASE,
)


def is_search(text: str) -> bool:
    """Whether it is meant as one: it compares, or names a metric, a parameter, a tag."""
    return _SEARCH.search(text) is not None


def with_words(text: str, *, few: bool) -> Q:
    """Runs that have the text in their name, script, tags or parameters, or are of this number, id or person.

    `few`: whether it is asked of few runs, as in `Conditions`.
    """
    found = (
        _contains("name", text)
        | _contains("script", text)
        | Q(created_by__in=User.objects.filter(username__iexact=text).values("pk"))
        | Q(uid=text)
    )
    number = text.removeprefix("#")
    if number.isascii() and number.isdigit() and len(number) < 10:
        found |= Q(number=int(number))
    said = _contains("name", text) | _contains("value", text)
    for model in (Tag, Parameter):
        rows = model.objects.filter(said).order_by()
        found |= (
            Q(EachExists(rows.filter(run=OuterRef("pk")))) if few else Q(In(Unindexed(F("pk")), rows.values("run")))
        )
    return found


def _contains(column: str, text: str) -> Q:
    """Whatever the capitals. For PostgreSQL Django would have the capitals of all texts made first, of every alphabet."""
    if connection.vendor == "postgresql" and text.isascii() and "%" not in text and "_" not in text:
        return Q(Like(F(column), f"%{text}%", minds_capitals=False))
    return Q(**{f"{column}__icontains": text})
