"""Long batches are read at once, short ones point by point: both to the same."""

from __future__ import annotations

from typing import Any

import pytest

from mlportal.mlflow_api.errors import MlflowError
from mlportal.mlflow_api.reading import LONG, read_metrics


def points(**changes: Any) -> list[dict[str, Any]]:
    """Twice as many as are a long batch; the last one with the changes."""
    found: list[dict[str, Any]] = [
        {"key": "loss", "value": n / 7, "timestamp": 1_700_000_000_000 + n, "step": n - 3} for n in range(2 * LONG)
    ]
    found[-1] |= changes
    return found


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"value": 3},
        {"value": "NaN"},
        {"timestamp": "5"},
        {"step": None},
        {"step": "7"},
        {"step": 2.0},
        {"key": "other"},
    ],
)
def test_a_long_batch_is_read_as_its_points_are(changes: dict[str, Any]) -> None:
    whole = read_metrics(points(**changes))
    for name, series in whole.items():
        alone = [read_metrics([item])[name] for item in points(**changes) if item["key"] == name]
        assert series.steps.tolist() == [step for one in alone for step in one.steps]
        assert series.times.tolist() == [time for one in alone for time in one.times]
        assert series.values.tobytes() == b"".join(one.values.tobytes() for one in alone)
    assert sum(len(series) for series in whole.values()) == 2 * LONG


@pytest.mark.parametrize(
    "changes",
    [
        {"value": True},
        {"value": None},
        {"timestamp": -1},
        {"timestamp": True},
        {"step": 2**63},
        {"key": ["loss"]},
        {"key": ""},
    ],
)
def test_a_bad_point_of_a_long_batch_is_refused_with_its_place(changes: dict[str, Any]) -> None:
    with pytest.raises(MlflowError, match=rf"metrics\[{2 * LONG - 1}\]"):
        read_metrics(points(**changes))
