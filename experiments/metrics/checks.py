"""Checks of the single values of a line of ``metrics.jsonl``."""

from __future__ import annotations

from typing import Final

from .logged import token_value

Record = dict[str, object]

END_OF_TIME: Final = 253_402_300_800.0  # the year 10000: a datetime holds no more
INT64: Final = range(-(2**63), 2**63)


class Skip(Exception):
    """This line cannot be used; the message says why."""


def time_of(record: Record) -> float:
    """The time of a line in epoch seconds."""
    time = record.get("t")
    if type(time) is float or type(time) is int:
        if 0 <= time < END_OF_TIME:
            return time
        raise Skip("has a time out of range")
    raise Skip("has no time")


def number_of(record: Record) -> float:
    """The number of a scalar's line; non-finite ones come as a token beside a null."""
    value = record.get("v")
    if type(value) is float:
        return value
    if isinstance(value, int):
        return _float(value)
    if value is None and (number := token_value(record.get("x"))) is not None:
        return number
    raise Skip("has a value that is no number")


def bounded(value: object, depth: int) -> object:
    """The same value with storable texts; refuses what is nested deeper than ``depth``."""
    if depth < 0:
        raise Skip("has an object that is nested too deeply")
    if isinstance(value, dict):
        return {storable(str(key)): bounded(item, depth - 1) for key, item in value.items()}
    if isinstance(value, list):
        return [bounded(item, depth - 1) for item in value]
    if isinstance(value, int) and not isinstance(value, bool):
        return storable_number(value)
    return storable(value) if isinstance(value, str) else value


def storable_number(value: int | float) -> int | float:
    """The same number, as a float if it is beyond int64: JSON writers and databases stop there."""
    return value if isinstance(value, float) or value in INT64 else _float(value)


def storable(text: str) -> str:
    """The same text without what PostgreSQL refuses: NUL and halves of surrogate pairs."""
    text = text.replace("\0", "\ufffd")
    return text if is_unicode(text) else "".join("\ufffd" if "\ud800" <= c <= "\udfff" else c for c in text)


def is_unicode(text: str) -> bool:
    """Whether the text can be encoded, which half a surrogate pair cannot."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _float(value: int) -> float:
    try:
        return float(value)
    except OverflowError:
        raise Skip("has a number too large for a float") from None
