"""One row per metric of a run: what lists show, sort and filter by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .series import Series


@dataclass(frozen=True)
class Summary:
    """What is known of the points seen so far; everything but the counts is None as long as no point says it.

    ``last`` is the value with the highest (step, time), of equals the largest one, as MLflow has it, NaN as it is. ``min``,
    ``max`` and ``total`` (the sum) leave NaN out and take infinities as they are; ``min_step`` and ``max_step`` are
    the lowest steps at which the extremes stand. ``last_time`` is in epoch seconds.
    """

    count: int = 0
    nan_count: int = 0
    first_step: int | None = None
    last: float | None = None
    last_step: int | None = None
    last_time: float | None = None
    min: float | None = None
    min_step: int | None = None
    max: float | None = None
    max_step: int | None = None
    total: float = 0.0

    @property
    def mean(self) -> float | None:
        """The mean of the values that are not NaN, or None if there is none."""
        counted = self.count - self.nan_count
        return self.total / counted if counted else None

    @classmethod
    def of(cls, series: Series) -> Summary:
        """The summary of one series, in any order of its points."""
        if not series:
            return cls()
        if len(series) == 1:
            return cls._of_one(series.steps[0], series.times[0], series.values[0])
        steps, values = series.steps.tolist(), series.values.tolist()
        last = max(_where(steps, max(steps)), key=lambda i: (series.times[i], _size(values[i]), i))
        numbers = [value for value in values if value == value]
        low = high = low_step = high_step = None
        if numbers:
            low, high = min(numbers), max(numbers)
            low_step = min(steps[i] for i in _where(values, low))
            high_step = min(steps[i] for i in _where(values, high))
        return cls(
            count=len(values),
            nan_count=len(values) - len(numbers),
            first_step=min(steps),
            last=values[last],
            last_step=steps[last],
            last_time=series.times[last],
            min=low,
            min_step=low_step,
            max=high,
            max_step=high_step,
            total=sum(numbers),
        )

    @classmethod
    def _of_one(cls, step: int, time: float, value: float) -> Summary:
        if value != value:
            return cls(count=1, nan_count=1, first_step=step, last=value, last_step=step, last_time=time)
        return cls(1, 0, step, value, step, time, value, step, value, step, value)

    def update(self, series: Series) -> Summary:
        """The summary after the points of ``series``, which came after those already in it."""
        return self.merge(Summary.of(series))

    def merge(self, later: Summary) -> Summary:
        """The summary of both; associative (``total`` up to rounding). ``later`` holds points that came later."""
        if not self.count or not later.count:
            return self if self.count else later
        newest = later if _last_key(later) >= _last_key(self) else self
        lowest = min((s for s in (self, later) if s.min is not None), key=_low_key, default=self)
        highest = min((s for s in (self, later) if s.max is not None), key=_high_key, default=self)
        return Summary(
            count=self.count + later.count,
            nan_count=self.nan_count + later.nan_count,
            first_step=min(s.first_step for s in (self, later) if s.first_step is not None),
            last=newest.last,
            last_step=newest.last_step,
            last_time=newest.last_time,
            min=lowest.min,
            min_step=lowest.min_step,
            max=highest.max,
            max_step=highest.max_step,
            total=self.total + later.total,
        )


def _where(column: Sequence[float], value: float) -> list[int]:
    """The indices at which ``value`` stands; the usual case of one costs no loop in Python."""
    first = column.index(value)
    if column.count(value) == 1:
        return [first]
    return [index for index, other in enumerate(column) if other == value]


def _last_key(summary: Summary) -> tuple[int, float, float]:
    return (summary.last_step or 0, summary.last_time or 0.0, _size(summary.last or 0.0))


def _size(value: float) -> float:
    """MLflow takes NaN for 0 there."""
    return value if value == value else 0.0


def _low_key(summary: Summary) -> tuple[float, int]:
    return (summary.min or 0.0, summary.min_step or 0)


def _high_key(summary: Summary) -> tuple[float, int]:
    return (-(summary.max or 0.0), summary.max_step or 0)
