"""What a script logs besides numbers, and the JSON form in which it is stored."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, cast

_TOKENS: Final = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}


class Kind(StrEnum):
    """The kinds of logged values that are no plain numbers, as ``metrics.jsonl`` names them."""

    TEXT = "text"
    LIST = "list"
    ROW = "row"
    TABLE = "table"
    IMAGE = "image"
    CONFUSION_MATRIX = "confusion_matrix"
    ACCURACY_TABLE = "accuracy_table"
    PREDICTIONS = "predictions"
    RESIDUALS = "residuals"


@dataclass(frozen=True)
class Logged:
    """One call that logged something that is no number.

    ``time`` is in epoch seconds. ``value`` is plain JSON with non-finite numbers as ``{"x": "nan"}``: a text, a list of
    cells, a row ``{column: cell}``, a table ``{column: [cell, …]}``, the artifact name of an image, or an object as
    the user gave it.
    """

    name: str
    kind: Kind
    time: float
    value: object
    description: str | None = None

    def plain(self) -> object:
        """The value with non-finite numbers as Python floats."""
        # The value of a row or table is no cell: a column may be called "x".
        if self.kind in (Kind.ROW, Kind.TABLE):
            return {column: unflag(cells) for column, cells in cast("dict[str, object]", self.value).items()}
        return unflag(self.value)


def token_value(token: object) -> float | None:
    """The non-finite number that "nan", "inf" or "-inf" stands for; None for anything else."""
    return _TOKENS.get(token) if isinstance(token, str) else None


def flag(value: object) -> object:
    """Replace non-finite floats in nested lists and dicts by ``{"x": "nan"}``, which every JSON store keeps."""
    if isinstance(value, float) and not math.isfinite(value):
        return {"x": str(value)}
    if isinstance(value, dict):
        return {key: flag(item) for key, item in value.items()}
    if isinstance(value, list):
        return [flag(item) for item in value]
    return value


def unflag(value: object) -> object:
    """Undo :func:`flag`."""
    if isinstance(value, dict):
        if len(value) == 1 and (number := token_value(value.get("x"))) is not None:
            return number
        return {key: unflag(item) for key, item in value.items()}
    if isinstance(value, list):
        return [unflag(item) for item in value]
    return value
