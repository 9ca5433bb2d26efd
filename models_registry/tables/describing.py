"""What is told of a column.

`{name, kind, missing, distinct}` with kind number | integer | boolean | text | time, and where it has any value:
numbers      min, max, mean, std, `quantiles` (0, 5, 25, 50, 75, 95, 100 %), `histogram` {edges, counts}
times        min, max (ISO 8601)
the others   `values`: [[value, count], …], the most frequent ones first
Numbers of few different values have `values`, too. All of them are finite.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from models_registry.tables.kinds import written

QUANTILES: Final = (0, 5, 25, 50, 75, 95, 100)
BINS: Final = 20
MOST_VALUES: Final = 50
FEW_VALUES: Final = 20
LONGEST_VALUE: Final = 200  # characters; longer ones are counted as different ones, and not listed
_BIG: Final = 1e150  # its square is about the last that a double holds


def describe(name: str, kind: str, values: Sequence[Any]) -> dict[str, Any]:
    present = [value for value in values if value is not None]
    counts = Counter(present)
    told: dict[str, Any] = {
        "name": name,
        "kind": kind,
        "missing": len(values) - len(present),
        "distinct": len(counts),
    }
    if not present:
        return told
    if kind in ("number", "integer"):
        told |= _numbers(np.array(present, dtype=np.float64), kind)
        if len(counts) <= FEW_VALUES:
            told["values"] = [[value, count] for value, count in sorted(counts.items())]
    elif kind == "time":
        told |= {"min": written(min(present)), "max": written(max(present))}
    else:
        ranked = sorted(counts.items(), key=lambda pair: (-pair[1], str(pair[0])))
        short = ([value, count] for value, count in ranked if kind == "boolean" or len(value) <= LONGEST_VALUE)
        told["values"] = [pair for pair, _ in zip(short, range(MOST_VALUES), strict=False)]
    return told


def _numbers(array: np.ndarray[Any, Any], kind: str) -> dict[str, Any]:
    """Of numbers near the end of what a double holds everything is computed smaller, so that no sum goes over it."""
    largest = float(np.abs(array).max())
    scale = largest if largest > _BIG else 1.0
    small = array / scale
    low, high = float(small.min()), float(small.max())
    if low == high:
        edges, counts = [array.min(), array.max()], [len(array)]
    else:
        bins = min(BINS, round((high - low) * scale) + 1) if kind == "integer" and scale == 1 else BINS
        found, ends = np.histogram(small, bins=max(1, bins), range=(low, high))
        edges, counts = list(ends * scale), found.tolist()
    quantiles = np.percentile(small, QUANTILES) * scale
    return {
        "min": float(array.min()),
        "max": float(array.max()),
        "mean": float(small.mean()) * scale,
        "std": float(small.std()) * scale,
        "quantiles": [float(each) for each in quantiles],
        "histogram": {"edges": [float(each) for each in edges], "counts": counts},
    }
