"""Command lines, and how long it is until something happens."""

import shlex
from datetime import datetime

from django import template
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

register = template.Library()


@register.simple_tag
def until(when: datetime | None) -> SafeString:
    """How long from now, in words; the exact moment on hover. None is never."""
    if when is None:
        return format_html('<span class="text-secondary">{}</span>', "not by itself")
    days = (when - timezone.now()).total_seconds() / 86_400
    words = "within the hour" if days <= 0 else "in less than a day" if days < 1 else f"in {days:.0f} d"
    title = when.strftime("%Y-%m-%d %H:%M UTC")
    return format_html('<time datetime="{}" title="{}">{}</time>', when.isoformat(), title, words)


@register.filter
def shell(arguments: list[str]) -> str:
    """The arguments as they would be typed."""
    return shlex.join(map(str, arguments))
