"""A comparison of a text or a number, as SQL on any expression, and as Python on a value."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from math import ceil, floor, inf, isnan
from operator import eq, ge, gt, le, lt, ne
from typing import Any, Final

from django.db import connection
from django.db.models import BooleanField, Expression, F, Func, Q, Value
from django.db.models.lookups import Exact, GreaterThan, GreaterThanOrEqual, In, LessThan, LessThanOrEqual

from .grammar import Comparison
from .moments import span_of
from .tokens import BadSearch

MAX_PATTERN: Final = 5000  # SQLite takes 50,000 bytes
TEXT_SIGNS: Final = ("=", "!=", "LIKE", "ILIKE", "IN", "NOT IN")
NUMBER_SIGNS: Final = ("=", "!=", "<", "<=", ">", ">=")
_NUMBER_LOOKUPS: Final[dict[str, Any]] = {
    "=": Exact,
    "<": LessThan,
    "<=": LessThanOrEqual,
    ">": GreaterThan,
    ">=": GreaterThanOrEqual,
}
_PYTHON: Final[dict[str, Callable[[Any, Any], bool]]] = {"=": eq, "!=": ne, "<": lt, "<=": le, ">": gt, ">=": ge}
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LAST: Final = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)


class Like(Func):
    """LIKE that minds capitals on every database, or minds them on none; a backslash in the pattern is a backslash."""

    output_field = BooleanField()

    def __init__(self, expression: Any, pattern: str, *, minds_capitals: bool) -> None:
        if connection.vendor == "sqlite":
            # LIKE minds no capitals here, GLOB does.
            if minds_capitals:
                pattern = re.sub(r"[*?\[]", r"[\g<0>]", pattern).replace("%", "*").replace("_", "?")
            sign = "GLOB" if minds_capitals else "LIKE"
            template = "(%(expressions)s)"
            joiner = f" {sign} "
        else:
            # A pattern of ASCII meets no other letters, and to make those small takes half of the time.
            alphabet = ' COLLATE "C"' if pattern.isascii() else ""
            joiner = " LIKE " if minds_capitals else f"{alphabet} ILIKE "
            template = "(%(expressions)s ESCAPE '')"
        super().__init__(expression, Value(pattern), template=template, arg_joiner=joiner)


def text_matches(expression: Expression | F, comparison: Comparison) -> Q:
    """Raises BadSearch for a sign or a value that texts do not have. NULL matches nothing."""
    sign, value = comparison.sign, comparison.value
    _refuse(comparison, TEXT_SIGNS)
    if sign in ("IN", "NOT IN"):
        found = Q(In(expression, value))
        return ~found if sign == "NOT IN" else found
    if not isinstance(value, str):
        raise BadSearch(f"Expected a quoted string value for {comparison.field.key!r} (e.g. 'my-value'). Got {value!r}")
    if sign in ("LIKE", "ILIKE"):
        if len(value) > MAX_PATTERN:
            raise BadSearch(f"A pattern has at most {MAX_PATTERN} characters.")
        return Q(Like(expression, value, minds_capitals=sign == "LIKE"))
    equal = Q(Exact(expression, Value(value)))
    return ~equal if sign == "!=" else equal


def number_matches(expression: Expression | F, comparison: Comparison) -> Q:
    sign, value = comparison.sign, _number(comparison)
    if sign == "!=":
        return ~Q(Exact(expression, Value(value)))
    return Q(_NUMBER_LOOKUPS[sign](expression, Value(value)))


def moment_matches(expression: Expression | F, comparison: Comparison) -> Q:
    """A moment against milliseconds since 1970, which are whole ones: what is finer is cut off before it is compared.

    A text is a day, a moment, or how long ago it was (`moments.span_of`).
    """
    if isinstance(comparison.value, str):
        _refuse(comparison, NUMBER_SIGNS)
        begin, end = span_of(comparison.value, comparison.field.key)
        inside = Q(GreaterThanOrEqual(expression, Value(begin))) & Q(LessThan(expression, Value(end)))
        return {
            "=": inside,
            "!=": ~inside,
            ">": Q(GreaterThanOrEqual(expression, Value(end))),
            ">=": Q(GreaterThanOrEqual(expression, Value(begin))),
            "<": Q(LessThan(expression, Value(begin))),
            "<=": Q(LessThan(expression, Value(end))),
        }[comparison.sign]
    sign, value = comparison.sign, max(-1e15, min(1e15, _number(comparison)))
    at_least = {">": floor(value) + 1, ">=": ceil(value), "=": value, "!=": value}
    before = {"<": ceil(value), "<=": floor(value) + 1, "=": value + 1, "!=": value + 1}
    if sign in (">", ">="):
        return Q(GreaterThanOrEqual(expression, Value(_moment(at_least[sign]))))
    if sign in ("<", "<="):
        return Q(LessThan(expression, Value(_moment(before[sign]))))
    same = Q(GreaterThanOrEqual(expression, Value(_moment(at_least[sign])))) & Q(
        LessThan(expression, Value(_moment(before[sign])))
    )
    return ~same if sign == "!=" else same


def matches(found: str | float | None, comparison: Comparison, *, number: bool = False) -> bool:
    """The same in Python, for what is not worth a query."""
    sign = comparison.sign
    if number:
        value = _number(comparison)
        return found is not None and _PYTHON[sign](found, value)
    _refuse(comparison, TEXT_SIGNS)
    wanted = comparison.value
    if sign in ("IN", "NOT IN"):
        return found is not None and (found in wanted) == (sign == "IN")  # type: ignore[operator]
    if not isinstance(wanted, str):
        raise BadSearch(
            f"Expected a quoted string value for {comparison.field.key!r} (e.g. 'my-value'). Got {wanted!r}"
        )
    if found is None:
        return False
    if sign in ("LIKE", "ILIKE"):
        return like(str(found), wanted, minds_capitals=sign == "LIKE")
    return _PYTHON[sign](found, wanted)


def like(text: str, pattern: str, *, minds_capitals: bool) -> bool:
    """Without a regular expression made of what a stranger wrote: greedy, with one place to go back to."""
    if not minds_capitals:
        text, pattern = text.lower(), pattern.lower()
    at, place, star, resume = 0, 0, -1, 0
    while at < len(text):
        if place < len(pattern) and pattern[place] == "%":
            star, resume = place, at
            place += 1
        elif place < len(pattern) and pattern[place] in ("_", text[at]):
            at, place = at + 1, place + 1
        elif star >= 0:
            resume += 1
            at, place = resume, star + 1
        else:
            return False
    return pattern[place:].strip("%") == ""


def _number(comparison: Comparison) -> float:
    _refuse(comparison, NUMBER_SIGNS)
    value = comparison.value
    if not isinstance(value, int | float):
        raise BadSearch(f"Expected numeric value type for {comparison.field.key!r}. Found {value!r}")
    try:
        number = float(value)
    except OverflowError:
        number = inf if value > 0 else -inf
    return 0.0 if isnan(number) else number


def _refuse(comparison: Comparison, signs: tuple[str, ...]) -> None:
    if comparison.sign not in signs:
        raise BadSearch(
            f"Invalid comparator {comparison.sign!r} for {comparison.field.key!r}, not one of {list(signs)}"
        )


def _moment(milliseconds: float) -> datetime:
    try:
        return min(_EPOCH + timedelta(milliseconds=milliseconds), _LAST)
    except OverflowError:
        return _LAST if milliseconds > 0 else _EPOCH - timedelta(days=700_000)
