"""When an answer is the one that is owed, and how a person is told that it is not."""

from __future__ import annotations

from typing import Any

import pytest

from models_registry.serving.answers import difference, told


@pytest.mark.parametrize(
    ("expected", "got"),
    [
        ([0, 2], [0, 2]),
        ([0.1 + 0.2], [0.3]),
        ([1], [1.0]),
        ([1_000_000.0], [1_000_000.5]),
        ([None, 1.5], [None, 1.5]),
        ({"a": {"b": ["x", True]}}, {"a": {"b": ["x", True]}}),
        ("text", "text"),
    ],
)
def test_what_is_near_enough_is_the_same(expected: Any, got: Any) -> None:
    assert difference(expected, got, 1e-6, 1e-9) is None


@pytest.mark.parametrize(
    ("expected", "got", "says"),
    [
        ([0, 2], [1, 2], "answers [1, 2] instead of [0, 2]"),
        ([10**15], [10**15 + 1], "instead of"),
        ([1.0], [1.001], "answers [1.001] instead of [1.0]"),
        ([None], [0.0], "answers [0.0] instead of [null]"),
        ([1], [True], "answers [true] instead of [1]"),
        ([1], ["1"], 'answers ["1"] instead of [1]'),
        ([1, 2], [1], "answers [1] instead of [1, 2]"),
        ([[1.0] * 100], [[1.0] * 73 + [2.0] * 27], "answers 2.0 instead of 1.0 at [0][73]"),
        ([1] * 300, [1] * 299, "answers 299 items instead of 300"),
        ({"a": ["x"] * 99}, {"a": ["x"] * 98}, "answers 98 items instead of 99 at a"),
        ({"k": "v" * 200}, {"other": "v" * 200}, f'answers nothing instead of "{"v" * 119}… at k'),
    ],
)
def test_what_differs_is_told_in_a_line(expected: Any, got: Any, says: str) -> None:
    first = difference(expected, got, 1e-6, 1e-9)
    assert first is not None
    assert says in told(expected, got, first)


def test_the_tolerance_is_each_requests_own() -> None:
    assert difference([1.0], [1.05], 0.1, 0) is None
    assert difference([0.0], [0.05], 0.1, 0) is not None
    assert difference([0.0], [0.05], 0, 0.1) is None
    assert difference([5], [6], 10, 10) is not None, "labels are not measured"
