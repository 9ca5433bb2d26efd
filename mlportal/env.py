"""Strict readers of environment variables: nonsense stops the start with the variable's name, never a default.

>>> os.environ["MLPORTAL_WALL"] = "2h"
>>> seconds("MLPORTAL_WALL", 60)
7200
"""

import os
import re
from collections.abc import Callable
from typing import TypeVar

from django.core.exceptions import ImproperlyConfigured

T = TypeVar("T")

SIZES = {"": 1, "B": 1, "KB": 1000, "MB": 1000**2, "GB": 1000**3, "KIB": 1024, "MIB": 1024**2, "GIB": 1024**3}
DURATIONS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}


def text(name: str, default: str = "") -> str:
    return os.environ.get(name, default).strip() or default


def words(name: str, default: str = "") -> list[str]:
    """Comma-separated words."""
    return [word.strip() for word in text(name, default).split(",") if word.strip()]


def boolean(name: str, default: bool) -> bool:
    known = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False}
    return _read(name, default, lambda raw: known[raw.lower()], "one of " + ", ".join(known))


def integer(name: str, default: int, *, least: int = 0) -> int:
    def parse(raw: str) -> int:
        if (value := int(raw)) < least:
            raise ValueError
        return value

    return _read(name, default, parse, f"a whole number of at least {least}")


def size(name: str, default: int) -> int:
    """Bytes, from `300MB`, `2 GiB` or a bare number."""

    def parse(raw: str) -> int:
        number, unit = _split(raw)
        return int(number * SIZES[unit.upper()])

    return _read(name, default, parse, "a size such as 300MB or 2GiB")


def seconds(name: str, default: int) -> int:
    """Seconds, from `90`, `15m`, `2h` or `30d`."""

    def parse(raw: str) -> int:
        number, unit = _split(raw)
        return int(number * DURATIONS[unit.lower()])

    return _read(name, default, parse, "a duration such as 90s, 15m, 2h or 30d")


def _split(raw: str) -> tuple[float, str]:
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([A-Za-z]*)", raw)
    if match is None:
        raise ValueError
    return float(match[1]), match[2]


def _read(name: str, default: T, parse: Callable[[str], T], expected: str) -> T:
    raw = os.environ.get(name, "").strip()
    if not raw:
        return default
    try:
        return parse(raw)
    except (ValueError, KeyError, OverflowError):
        raise ImproperlyConfigured(f"{name}={raw!r} is not {expected}.") from None
