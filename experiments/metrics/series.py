"""The points of one metric of one run, in columns."""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, eq=False)
class Series:
    """Three columns of the same length n: steps (int64), times (epoch seconds, float64) and values (float64).

    Points stand in the order in which they came. Values may be NaN or infinite, times may not. Two series are equal
    if their bytes are, so NaN equals NaN. Raises ``ValueError`` for columns of different length.
    """

    steps: array[int]
    times: array[float]
    values: array[float]

    def __post_init__(self) -> None:
        if not len(self.steps) == len(self.times) == len(self.values):
            raise ValueError("the columns of a series have the same length")

    @classmethod
    def of(cls, steps: Iterable[int] = (), times: Iterable[float] = (), values: Iterable[float] = ()) -> Series:
        """Build a series from any iterables. Raises ``OverflowError`` for a step beyond int64."""
        return cls(array("q", steps), array("d", times), array("d", values))

    def __len__(self) -> int:
        return len(self.steps)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Series):
            return NotImplemented
        return (
            self.steps == other.steps
            and self.times.tobytes() == other.times.tobytes()
            and self.values.tobytes() == other.values.tobytes()
        )

    __hash__ = None  # type: ignore[assignment]  # arrays are mutable

    def take(self, indices: Iterable[int]) -> Series:
        """The points at ``indices``, in that order."""
        chosen = list(indices)
        steps, times, values = self.steps, self.times, self.values
        return Series.of([steps[i] for i in chosen], [times[i] for i in chosen], [values[i] for i in chosen])

    def ordered(self) -> Series:
        """The points by (step, time), those equal in both in the order in which they came."""
        if _rises(self.steps) and _rises(self.times):
            return self
        keys = list(zip(self.steps, self.times, strict=True))
        return self.take(sorted(range(len(keys)), key=keys.__getitem__))


def _rises(column: array[int] | array[float]) -> bool:
    # Sorting what is sorted is one pass in C, faster than comparing neighbours in Python.
    listed = column.tolist()
    return listed == sorted(listed)
