"""PSI and tests of two samples of a column: figures that can be worked out by hand, and what must not be flagged."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from models_registry.services.monitoring.comparing import Rules, compare

RULES = Rules(psi_warning=0.1, psi_alarm=0.25, significance=0.01)


def one(reference: Any, current: Any) -> dict[str, Any]:
    (column,) = compare({"x": reference}, {"x": current}, RULES)
    return column


def test_the_psi_of_two_kinds_is_what_its_formula_says() -> None:
    found = one(["a"] * 500 + ["b"] * 500, ["a"] * 800 + ["b"] * 200)
    by_hand = (0.5 - 0.8) * math.log(0.5 / 0.8) + (0.5 - 0.2) * math.log(0.5 / 0.2)
    assert found["psi"] == pytest.approx(by_hand, rel=0.01)
    assert (found["test"], found["flag"], found["labels"]) == ("chi2", "alarm", ["a", "b"])
    assert (found["reference"], found["current"]) == ([0.5, 0.5], [0.8, 0.2])


@pytest.mark.parametrize(("shift", "flag"), [(0.0, ""), (0.4, "warning"), (1.0, "alarm")])
def test_numbers_that_moved_are_flagged_by_how_far(shift: float, flag: str) -> None:
    rng = np.random.default_rng(0)
    found = one(rng.normal(size=3000), rng.normal(shift, 1, size=1000).tolist())
    assert (found["kind"], found["test"], found["flag"]) == ("number", "ks", flag)
    assert len(found["labels"]) == len(found["reference"]) + 1 == len(found["current"]) + 1
    assert sum(found["current"]) == pytest.approx(1, abs=0.001)


def test_numbers_at_the_end_of_the_scale_are_compared_like_others() -> None:
    found = one([float(number) for number in range(100)], [1.7e308, -1.7e308] * 50)
    assert found["flag"] == "alarm" and all(map(math.isfinite, found["labels"]))


def test_small_samples_of_one_distribution_are_not_flagged_for_their_noise() -> None:
    """Thirty columns of a hundred rows each: some have a PSI above the threshold, and none has moved."""
    rng = np.random.default_rng(1)
    reference = {f"x{number}": rng.normal(size=150) for number in range(30)}
    current = {name: rng.normal(size=100).tolist() for name in reference}
    found = compare(reference, current, RULES)
    assert max(column["psi"] for column in found) > RULES.psi_warning
    assert {column["flag"] for column in found} == {""}


def test_large_samples_are_not_flagged_for_what_is_sure_and_tiny() -> None:
    rng = np.random.default_rng(2)
    found = one(rng.normal(size=50_000), rng.normal(0.05, 1, size=50_000).tolist())
    assert found["p"] < 1e-6 and found["psi"] < 0.1 and found["flag"] == ""


def test_what_is_missing_more_often_than_before_is_told() -> None:
    rng = np.random.default_rng(3)
    numbers = rng.normal(size=1000)
    gaps: list[Any] = [None if place % 2 else value for place, value in enumerate(numbers.tolist())]
    assert one(numbers, gaps)["flag"] == "alarm"
    texts = one(["a", "b"] * 200, ["a", None] * 200)
    assert texts["labels"] == ["(missing)", "a", "b"] and texts["flag"] == "alarm"


def test_whole_numbers_of_few_values_are_counted_like_names() -> None:
    found = one(np.array([0, 1, 2] * 100), [0.0, 1.0, 2.0] * 50)
    assert (found["kind"], found["labels"], found["flag"]) == ("values", ["0", "1", "2"], "")
    assert found["psi"] == pytest.approx(0, abs=1e-4)


@pytest.mark.parametrize(
    ("reference", "current"),
    [
        ([1.0] * 200, [1.0] * 200),
        ([1.0] * 200, [2.0] * 200),
        ([None] * 200, [None] * 200),
        ([float("nan")] * 200, [1.0] * 200),
        (list(range(200)), [None] * 200),
        (list(range(200)), ["text"] * 200),
        ([1e308, -1e308] * 100, [1e-308] * 200),
        ([10**300 + number for number in range(200)], [0] * 200),
        ([f"unique {number}" for number in range(200)], [f"other {number}" for number in range(200)]),
        ([True, False] * 100, [1, 0] * 100),
        (np.array(["2026-01-01", "NaT"] * 100, dtype="datetime64[us]"), ["2026-01-01T00:00:00.000000"] * 200),
    ],
)
def test_odd_columns_are_compared_without_an_error(reference: Any, current: Any) -> None:
    found = one(reference, current)
    assert math.isfinite(found["psi"]) and found["psi"] >= 0
    assert found["p"] is None or 0 <= found["p"] <= 1
    assert found["flag"] in ("", "warning", "alarm")


def test_columns_that_only_one_side_has_are_left_out() -> None:
    assert [column["name"] for column in compare({"a": [1], "b": [1]}, {"b": [1], "c": [1]}, RULES)] == ["b"]
