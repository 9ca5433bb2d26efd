"""Values of others as what they have to be; None or "" where they are not."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any, Final

from experiments.metrics import Series
from experiments.metrics.checks import END_OF_TIME

END: Final = int(END_OF_TIME * 1000)
INT64: Final = 2**63
RUN_ID: Final = re.compile(r"[0-9a-f]{32}")
MODEL_ID: Final = re.compile(r"m-[0-9a-f]{32}")
POINTS: Final = 20_000  # at once
NUMBER: Final = re.compile(r"[1-9][0-9]{0,8}")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_TOKENS: Final = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}


def text(value: Any) -> str:
    return value if isinstance(value, str) else "" if value is None else str(value)


def milliseconds(value: Any) -> int | None:
    """A moment from 1970 to the year 9999; protobuf writes 64 bits as a text."""
    number = whole(value)
    return number if number is not None and 0 <= number < END else None


def whole(value: Any) -> int | None:
    """A number of 64 bits."""
    if isinstance(value, str) and re.fullmatch(r"[+-]?[0-9]{1,19}", value):
        value = int(value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return value if type(value) is int and -INT64 <= value < INT64 else None


def number(value: Any) -> float | None:
    if isinstance(value, str):
        try:
            return _TOKENS[value] if value in _TOKENS else float(value[:400])
        except ValueError:
            return None
    try:
        return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
    except OverflowError:
        return None


def moment(value: int | None) -> datetime | None:
    return None if value is None else _EPOCH + timedelta(milliseconds=value)


def since_epoch(value: datetime) -> int:
    """Whole milliseconds."""
    return (value - _EPOCH) // timedelta(milliseconds=1)


def texts(value: Any) -> dict[str, str]:
    """A mapping of texts."""
    return {text(key): text(item) for key, item in value.items()} if isinstance(value, Mapping) else {}


Point = tuple[int, int, float]
"""Its time in milliseconds, its step and its value."""


def in_series(points: Iterable[Point]) -> Iterator[Series]:
    """So many at once, each part by time, step and value, as MLflow has them: of points with the same time and step the
    greatest value is the last."""
    coming = iter(points)
    while rows := list(islice(coming, POINTS)):
        rows.sort(key=lambda row: (row[0], row[1], row[2] if row[2] == row[2] else 0.0))
        yield Series.of((row[1] for row in rows), (row[0] / 1000 for row in rows), (row[2] for row in rows))
