"""Command lines."""

import shlex

from django import template

register = template.Library()


@register.filter
def shell(arguments: list[str]) -> str:
    """The arguments as they would be typed."""
    return shlex.join(map(str, arguments))
