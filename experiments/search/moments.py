"""Moments as people write them: `2026-11-26`, `2026-11-26 14:30`, `-7d`."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Final

from .tokens import BadSearch

_DAY: Final = re.compile(r"\d{4}-\d\d-\d\d")
_AGO: Final = re.compile(r"-(\d{1,6})([smhdw])")
_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def span_of(text: str, name: str) -> tuple[datetime, datetime]:
    """From when to when (that one no more) the text means: a whole day, or a millisecond. Without a zone it is UTC.

    Raises BadSearch, which names the attribute.
    """
    text = text.strip()
    try:
        if ago := _AGO.fullmatch(text):
            begin = datetime.now(UTC) - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
        else:
            begin = datetime.fromisoformat(text)
            begin = begin.replace(tzinfo=UTC) if begin.tzinfo is None else begin.astimezone(UTC)
        return begin, begin + (timedelta(days=1) if _DAY.fullmatch(text) else timedelta(milliseconds=1))
    except (ValueError, OverflowError):
        raise BadSearch(
            f"{text[:50]!r} is no moment for {name!r}: write milliseconds since 1970, '2026-11-26',"
            " '2026-11-26 14:30' (UTC), or '-7d' for seven days ago (s, m, h, d, w)."
        ) from None
