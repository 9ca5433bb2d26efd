"""How right a service was, as far as actual values were posted: for classes and for numbers of a scale."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from models_registry.models import ActualValue, Deployment

NEWEST = 20_000  # values that are looked at, each time that somebody asks
CLASSES = 20  # that a confusion table tells apart; rarer ones are one
OTHERS = "(others)"
STEPS = 40
STEP_SECONDS = (60, 300, 900, 3600, 14_400, 86_400, 604_800)


@dataclass(frozen=True)
class Pair:
    """What was predicted, and what came true."""

    at: datetime
    predicted: Any
    actual: Any
    is_class: bool


def live_accuracy(deployment: Deployment) -> list[dict[str, Any]]:
    """[{version, kind, count, …}]: of each version, overall and over the time of the requests. Kinds: classes, numbers.

    classes: accuracy, confusion {labels, counts (a row for each actual one)}, classes [{label, precision, recall, f1, count}].
    numbers: mae, rmse, r2 (null where all actual values are one). Steps: [{at, count, accuracy | mae}].
    """
    rows = ActualValue.objects.filter(sampled__deployment=deployment).order_by("-pk")
    by_version: dict[str, list[Pair]] = defaultdict(list)
    columns = ("sampled__version", "sampled__at", "predicted", "value", "is_class")
    for version, at, predicted, actual, is_class in rows.values_list(*columns)[:NEWEST]:
        if predicted is not None:
            by_version[version].append(Pair(at, predicted, actual, is_class))
    return [{"version": version, **_of_version(pairs)} for version, pairs in sorted(by_version.items())]


def _of_version(pairs: Sequence[Pair]) -> dict[str, Any]:
    if any(pair.is_class for pair in pairs):
        named = [(_label(pair.predicted), _label(pair.actual)) for pair in pairs]
        return {
            "kind": "classes",
            "count": len(pairs),
            **_classes(named),
            "steps": _steps(pairs, "accuracy", _accuracy),
        }
    numbers = [pair for pair in pairs if _is_number(pair.predicted) and _is_number(pair.actual)]
    return {"kind": "numbers", "count": len(numbers), **_numbers(numbers), "steps": _steps(numbers, "mae", _mae)}


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and math.isfinite(value)


def _label(value: Any) -> str:
    """1, 1.0 and "1" are one class: callers and models write them as they like."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value)


def _classes(named: Sequence[tuple[str, str]]) -> dict[str, Any]:
    seen = Counter(label for pair in named for label in pair)
    kept = sorted(label for label, _ in seen.most_common(CLASSES))
    labels = [*kept, OTHERS] if len(seen) > CLASSES else kept
    place = {label: labels.index(label) if label in kept else len(labels) - 1 for label in seen}
    counts = [[0] * len(labels) for _ in labels]
    for predicted, actual in named:
        counts[place[actual]][place[predicted]] += 1
    right = Counter(actual for predicted, actual in named if predicted == actual)
    came, foretold = Counter(actual for _, actual in named), Counter(predicted for predicted, _ in named)
    told = []
    for label in kept:
        count, said = came[label], foretold[label]
        precision = right[label] / said if said else None
        recall = right[label] / count if count else None
        f1 = 2 * right[label] / (said + count)
        told.append({"label": label, "precision": precision, "recall": recall, "f1": f1, "count": count})
    return {
        "accuracy": right.total() / len(named),
        "confusion": {"labels": labels, "counts": counts},
        "classes": told,
    }


def _numbers(pairs: Sequence[Pair]) -> dict[str, Any]:
    if not pairs:
        return {"mae": None, "rmse": None, "r2": None}
    squares = sum(_square(float(pair.predicted) - float(pair.actual)) for pair in pairs)
    mean = sum(float(pair.actual) for pair in pairs) / len(pairs)
    spread = sum(_square(float(pair.actual) - mean) for pair in pairs)
    return {
        "mae": _mae(pairs),
        "rmse": _finite(math.sqrt(squares / len(pairs))),
        "r2": _finite(1 - squares / spread) if spread else None,
    }


def _square(number: float) -> float:
    return float(number) * float(number)  # infinite where ** would raise


def _finite(number: float) -> float | None:
    return number if math.isfinite(number) else None


def _mae(pairs: Sequence[Pair]) -> float | None:
    return _finite(sum(abs(float(pair.predicted) - float(pair.actual)) for pair in pairs) / len(pairs))


def _accuracy(pairs: Sequence[Pair]) -> float:
    return sum(_label(pair.predicted) == _label(pair.actual) for pair in pairs) / len(pairs)


def _steps(pairs: Sequence[Pair], name: str, figure: Callable[[Sequence[Pair]], float | None]) -> list[dict[str, Any]]:
    if not pairs:
        return []
    times = [pair.at.timestamp() for pair in pairs]
    span = max(times) - min(times)
    step = next((one for one in STEP_SECONDS if span / one <= STEPS), STEP_SECONDS[-1])
    bins: dict[int, list[Pair]] = defaultdict(list)
    for pair, moment in zip(pairs, times, strict=True):
        bins[int(moment) // step * step].append(pair)
    return [
        {"at": datetime.fromtimestamp(begin, UTC), "count": len(some), name: figure(some)}
        for begin, some in sorted(bins.items())
    ]
