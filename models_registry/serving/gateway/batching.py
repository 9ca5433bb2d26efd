"""Which requests may be one call of a model, how they become one, and how its answer is shared out again."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from models_registry.serving.worker import protocol

# Their answer for a row is made of that row alone.
BY_ROW = frozenset(
    ("predict", "predict_proba", "predict_log_proba", "decision_function", "transform", "score_samples", "apply")
)
Key = tuple[str, str, int]
SCALARS = (str, int, float, bool, type(None))
SHAPE = struct.Struct("<QQ")


def key_of(method: str, payload: Any, describe: Mapping[str, Any]) -> Key | None:
    """What requests have in common that may be one call; None for one that must be a call of its own."""
    if method not in BY_ROW or not describe.get("by_row") or not isinstance(payload, np.ndarray) or payload.ndim != 2:
        return None
    return method, payload.dtype.str, payload.shape[1]


def stacked(number: int, method: str, bodies: Sequence[protocol.Body], rows: int, width: int) -> bytes:
    """A message with all rows of arrays of one type and width, as their common key says."""
    items = [body.parts[1] for body in bodies]
    body = protocol.Body(protocol.ARRAY, bodies[0].dtype, 2, [SHAPE.pack(rows, width), b"".join(items)])
    return b"".join(protocol.message(number, method, body))


def shares(result: Any, rows: Sequence[int]) -> list[Any] | None:
    """The answer to each of the requests with this many rows; None for a result that is not one item a row."""
    if isinstance(result, list):
        # Lists of lists may be one a row, or one an output: for two rows of two outputs nobody could tell.
        if len(result) != sum(rows) or not all(isinstance(item, SCALARS) for item in result):
            return None
    elif not isinstance(result, np.ndarray) or not result.ndim or len(result) != sum(rows):
        return None
    bounds = [0]
    for count in rows:
        bounds.append(bounds[-1] + count)
    return [result[start:end] for start, end in pairwise(bounds)]
