"""What the cells of a column are, and the columns as arrays."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import numpy as np

# What pandas reads as missing, so that a sample is read as the data were that a model was trained on.
NAMES_OF_MISSING: Final = frozenset(
    {"", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN", "<NA>"}
    | {"N/A", "NA", "NULL", "NaN", "None", "n/a", "nan", "null"}
)
_BOOLEANS: Final = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_INTEGER: Final = re.compile(r"[+-]?[0-9]{1,18}")
_NUMBER: Final = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?|[+-]?[Ii]nf(inity)?")
_BEYOND: Final = 2**63  # unsigned ones of Parquet
_TIME: Final = re.compile(r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d{1,9})?)?(Z|[+-]\d\d:?\d\d)?)?")

Array = np.ndarray[Any, Any]


def kind_and_values(cells: Sequence[str]) -> tuple[str, list[Any]]:
    """The narrowest kind that all cells of a CSV's column have, and the cells as values of it; None where one is missing."""
    texts = [None if cell.strip() in NAMES_OF_MISSING else cell for cell in cells]
    present = [text.strip() for text in texts if text is not None]
    if not present:
        return "number", [None] * len(texts)
    if all(text in _BOOLEANS for text in present):
        return "boolean", [None if text is None else _BOOLEANS[text.strip()] for text in texts]
    if all(_INTEGER.fullmatch(text) for text in present):
        return "integer", [None if text is None else int(text) for text in texts]
    if all(_NUMBER.fullmatch(text) for text in present):
        return "number", [None if text is None else float(text) for text in texts]
    if all(_TIME.fullmatch(text) for text in present):
        try:
            return "time", [None if text is None else moment(text.strip()) for text in texts]
        except (ValueError, OverflowError):  # the 30th of February
            pass
    return "text", list(texts)


def moment(text: str) -> datetime:
    """In UTC; what names no zone is taken for UTC."""
    found = datetime.fromisoformat(text)
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)


def written(value: Any) -> str:
    """A value as a cell of the CSV that is kept."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return value.replace(tzinfo=None).isoformat() + "Z"
    return repr(value) if isinstance(value, float) else str(value)


def plain(kind: str, cell: str) -> Any:
    """A cell of a CSV that was kept, as JSON has it."""
    if not cell:
        return None
    if kind == "number":
        return float(cell)
    if kind == "integer":
        return int(cell)
    return cell == "true" if kind == "boolean" else cell


def arrays_of(names: Sequence[str], kinds: Mapping[str, str], rows: Sequence[Sequence[str]]) -> dict[str, Array]:
    """The columns of a CSV that was kept: number → float64 (missing is NaN), integer → int64, or float64 where some are
    missing, boolean → bool or objects with None, time → datetime64[us] with NaT, text → objects with None."""
    columns = zip(*rows, strict=True) if rows else ([] for _ in names)
    return {name: _array(kinds[name], list(cells)) for name, cells in zip(names, columns, strict=True)}


def _array(kind: str, cells: list[str]) -> Array:
    complete = all(cells)
    if kind == "integer" and complete:
        numbers = [int(cell) for cell in cells]
        if all(-_BEYOND <= number < _BEYOND for number in numbers):
            return np.array(numbers, dtype=np.int64)
    if kind in ("integer", "number"):
        return np.array([float(cell) if cell else math.nan for cell in cells], dtype=np.float64)
    if kind == "boolean":
        values = [None if not cell else cell == "true" for cell in cells]
        return np.array(values, dtype=bool if complete else object)
    if kind == "time":
        return np.array([cell.removesuffix("Z") or "NaT" for cell in cells], dtype="datetime64[us]")
    array = np.empty(len(cells), dtype=object)
    array[:] = [cell or None for cell in cells]
    return array
