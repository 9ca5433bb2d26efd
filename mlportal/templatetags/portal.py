"""What the templates need beyond Django's own: icons, moments, durations, numbers, the navigation."""

import math
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from django import template
from django.templatetags.static import static
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from mlportal.pages.navigation import ENTRIES
from mlportal.pages.wording import duration_words, elapsed_words, number_words

register = template.Library()
SIZE_UNITS = ("bytes", "kB", "MB", "GB", "TB")


@register.simple_tag
def icon(name: str, classes: str = "") -> SafeString:
    """An icon of static/icons.svg, hidden from screen readers: the words beside it say the same."""
    return format_html(
        '<svg class="icon {}" aria-hidden="true"><use href="{}#{}"></use></svg>', classes, static("icons.svg"), name
    )


@register.simple_tag
def moment(when: datetime | None, empty: str = "—") -> SafeString:
    """How long ago, kept up to date by time.js; the exact moment on hover."""
    if when is None:
        return format_html('<span class="text-secondary">{}</span>', empty)
    return format_html(
        '<time datetime="{}" title="{}" data-relative>{}</time>',
        when.isoformat(),
        when.strftime("%Y-%m-%d %H:%M:%S UTC"),
        elapsed_words((timezone.now() - when).total_seconds()),
    )


@register.simple_tag
def duration(start: datetime | None, end: datetime | None = None) -> SafeString:
    """From start to end in words; without an end it goes on growing in the browser."""
    if start is None:
        return format_html('<span class="text-secondary">{}</span>', "—")
    seconds = ((end or timezone.now()) - start).total_seconds()
    if end is not None:
        return format_html('<span class="text-nowrap">{}</span>', duration_words(seconds))
    return format_html(
        '<span class="text-nowrap" data-since="{}">{}</span>', start.isoformat(), duration_words(seconds)
    )


@register.filter
def pairs(values: Mapping[str, Any] | None) -> Iterable[tuple[str, Any]]:
    """Names and values. Not `values.items`: a template finds what somebody has called `items` first."""
    return (values or {}).items()


@register.filter
def seconds(value: float | None) -> str:
    return "—" if value is None else duration_words(value)


@register.filter(name="bytes")
def in_bytes(size: float | None) -> str:
    """1234567 → "1.2 MB", as the pages' scripts write it (static/js/run/format.js)."""
    if size is None:
        return "?"
    value, unit = float(size), 0
    while value >= 1000 and unit < len(SIZE_UNITS) - 1:
        value, unit = value / 1000, unit + 1
    shown = f"{value:.0f}" if unit == 0 or value >= 100 else f"{value:.1f}"
    return f"{shown} {'byte' if size == 1 else SIZE_UNITS[unit]}"


@register.filter
def metric(metrics: Iterable[Any], name: str) -> str:
    """The last value of the metric of that name among a run's, or a dash."""
    for found in metrics:
        if found.name == name and (found.last is not None or found.last_is_nan):
            return number_words(math.nan if found.last_is_nan else found.last)
    return "—"


@register.simple_tag(takes_context=True)
def navigation(context: template.Context) -> list[dict[str, Any]]:
    request, workspace = context["request"], context["workspace"]
    here = request.resolver_match.url_name if request.resolver_match else None
    return [
        {
            "href": reverse(entry.page, args=[workspace.name]),
            "label": entry.label,
            "icon": entry.icon,
            "key": entry.key,
            "here": entry.is_here(here),
        }
        for entry in ENTRIES
    ]
