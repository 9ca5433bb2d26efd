"""Whether an answer is the one that is owed, told for a person."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

SHOWN = 120
ABSENT = object()


@dataclass(frozen=True, slots=True)
class Difference:
    """The first place where two answers differ: `[3][0]`, or "" for the whole."""

    place: str
    expected: Any
    got: Any


def difference(expected: Any, got: Any, rtol: float, atol: float, place: str = "") -> Difference | None:
    """Texts, whole numbers and nulls (NaN, in JSON) are to be the same; where either number has a fraction they may differ
    by `atol + rtol * |expected|`, as numpy's `allclose` has it."""
    if isinstance(expected, list) and isinstance(got, list):
        pairs = list(zip(expected, got, strict=False))
        found = (difference(one, other, rtol, atol, f"{place}[{n}]") for n, (one, other) in enumerate(pairs))
        first = next((each for each in found if each is not None), None)
        return first or (Difference(place, expected, got) if len(expected) != len(got) else None)
    if isinstance(expected, dict) and isinstance(got, dict):
        for key in [*expected, *(key for key in got if key not in expected)]:
            one, other = expected.get(key, ABSENT), got.get(key, ABSENT)
            inner = f"{place}.{key}" if place else str(key)
            if one is ABSENT or other is ABSENT:
                return Difference(inner, one, other)
            if (found_here := difference(one, other, rtol, atol, inner)) is not None:
                return found_here
        return None
    if _is_number(expected) and _is_number(got) and (isinstance(expected, float) or isinstance(got, float)):
        return None if abs(got - expected) <= atol + rtol * abs(expected) else Difference(place, expected, got)
    same = type(expected) is type(got) and expected == got
    return None if same else Difference(place, expected, got)


def told(expected: Any, got: Any, first: Difference) -> str:
    """`answers [1, 2] instead of [0, 2]`; of long ones the first place that differs."""
    if len(_text(expected)) <= SHOWN and len(_text(got)) <= SHOWN:
        return f"answers {_text(got)} instead of {_text(expected)}"
    if isinstance(first.expected, list) and isinstance(first.got, list):
        counted = f"{len(first.got)} items instead of {len(first.expected)}"
        return f"answers {counted}{f' at {first.place}' if first.place else ''}"
    where = f" at {first.place}" if first.place else ""
    return f"answers {_cut(first.got)} instead of {_cut(first.expected)}{where}"


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _text(value: Any) -> str:
    return "nothing" if value is ABSENT else json.dumps(value, ensure_ascii=False)


def _cut(value: Any) -> str:
    text = _text(value)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"
