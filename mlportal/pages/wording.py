"""Durations, moments and numbers in words. static/js/time.js says the same in the browser."""

import math


def duration_words(seconds: float) -> str:
    """`0.42 s`, `7.3 s`, `1 min 05 s`, `2 h 03 min`, `3 d 4 h`; never negative."""
    seconds = max(0.0, seconds)
    if seconds < 1:
        return f"{seconds:.2f} s"
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    minutes = whole // 60
    if minutes < 48 * 60:
        return f"{minutes // 60} h {minutes % 60:02d} min"
    return f"{minutes // 1440} d {minutes % 1440 // 60} h"


def elapsed_words(seconds: float) -> str:
    """`just now`, `12 s ago`, `5 min ago`, `3 h ago`, `4 d ago`, `2 months ago`; the future is `just now`."""
    if seconds < 5:
        return "just now"
    for limit, unit, name in ((60, 1, "s"), (3600, 60, "min"), (86_400, 3600, "h"), (60 * 86_400, 86_400, "d")):
        if seconds < limit:
            return f"{int(seconds // unit)} {name} ago"
    months = int(seconds // (30.44 * 86_400))
    return f"{months} months ago" if months < 24 else f"{months // 12} years ago"


def number_words(value: float) -> str:
    """Six digits that count, an exponent only where needed: `0.973684`, `1.5e-07`, `12,345,678`, `NaN`, `-∞`."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "∞" if value > 0 else "-∞"
    if value == int(value) and abs(value) < 1e15:
        return f"{int(value):,}"
    return f"{value:.6g}"
