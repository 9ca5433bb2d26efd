"""Sizes as the pages' scripts write them (static/js/run/format.js), and command lines."""

import shlex

from django import template

register = template.Library()
UNITS = ("bytes", "kB", "MB", "GB", "TB")


@register.filter(name="bytes")
def in_bytes(size: float | None) -> str:
    """1234567 → "1.2 MB"."""
    if size is None:
        return "?"
    value, unit = float(size), 0
    while value >= 1000 and unit < len(UNITS) - 1:
        value, unit = value / 1000, unit + 1
    shown = f"{value:.0f}" if unit == 0 or value >= 100 else f"{value:.1f}"
    return f"{shown} {'byte' if size == 1 else UNITS[unit]}"


@register.filter
def shell(arguments: list[str]) -> str:
    """The arguments as they would be typed."""
    return shlex.join(map(str, arguments))
