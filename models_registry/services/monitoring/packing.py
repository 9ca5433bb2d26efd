"""A sampled request as bytes: deflated JSON {columns, rows, predictions, classes}.

`columns` are the names of the features, `rows` lists of cells (numbers, texts, null), `predictions` one a row (a value, or
the list of a row's probabilities), `classes` those that probabilities are of. What is not finite is null, as JSON has it.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import Any

import orjson

MOST_BYTES = 8 << 20  # of the JSON: all requests that are kept are in memory when they are compared, or handed out


@dataclass(frozen=True)
class Sampled:
    """The rows of a request, and what was predicted of each."""

    columns: list[str]
    rows: list[list[Any]]
    predictions: list[Any]
    classes: list[Any] | None

    @property
    def values(self) -> list[Any]:
        """A value a row: of probabilities the class that has the largest."""
        return [self._likeliest(each) if isinstance(each, list) else each for each in self.predictions]

    def _likeliest(self, probabilities: list[Any]) -> Any:
        if self.classes is None or len(probabilities) != len(self.classes) or None in probabilities:
            return None
        return self.classes[max(range(len(probabilities)), key=probabilities.__getitem__)]


def pack(columns: list[str], rows: Any, predictions: Any, classes: list[Any] | None) -> bytes | None:
    """None for what has more than MOST_BYTES."""
    whole = {"columns": columns, "rows": rows, "predictions": predictions, "classes": classes}
    text = orjson.dumps(whole, option=orjson.OPT_SERIALIZE_NUMPY)
    return zlib.compress(text, 1) if len(text) <= MOST_BYTES else None


def unpack(data: bytes | memoryview) -> Sampled:
    decompressor = zlib.decompressobj()
    whole = orjson.loads(decompressor.decompress(bytes(data), MOST_BYTES))
    return Sampled(whole["columns"], whole["rows"], whole["predictions"], whole["classes"])
