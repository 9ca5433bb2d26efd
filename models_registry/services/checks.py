"""What people say of models and services, checked alike for both."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from mlportal.errors import BadInput
from mlportal.texts import storable

MAX_TAGS = 100


def amount(value: float | None, field: str) -> float | None:
    if value is not None and not (math.isfinite(value) and 0 < value <= 10_000):
        raise BadInput(f"{field} is a number above 0.", field=field)
    return value


def pairs(values: Mapping[str, Any], field: str) -> dict[str, str]:
    if len(values) > MAX_TAGS:
        raise BadInput(f"There are at most {MAX_TAGS} {field}.", field=field)
    for key in values:
        if not key or len(key) > 250:
            raise BadInput(f"A name among the {field} has 1 to 250 characters.", field=field)
    return {str(storable(key)): str(storable(str(value)))[:5000] for key, value in values.items()}
