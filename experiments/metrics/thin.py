"""Makes a series as small as the chart that shows it, without hiding what the eye would see."""

from __future__ import annotations

import math
from array import array
from bisect import bisect_left
from itertools import islice
from typing import Final

from .series import Series

MIN_POINTS: Final = 7
_PER_FINITE_BUCKET: Final = 4  # first, lowest, highest, last
_PER_BUCKET: Final = 7  # and the first NaN, inf and -inf


def thin(series: Series, points: int) -> Series:
    """At most ``points`` of the points of ``series``, ordered by (step, time).

    The range of steps is cut into buckets of one width; each keeps its first and last point, its lowest and highest
    finite value, and where it has NaN or an infinity the first of each, so that gaps stay gaps.
    Raises ``ValueError`` if ``points`` is below :data:`MIN_POINTS`.
    """
    if points < MIN_POINTS:
        raise ValueError(f"a chart has at least {MIN_POINTS} points")
    series = series.ordered()
    if len(series) <= points:
        return series
    steps, values = series.steps, series.values
    buckets = points // (_PER_FINITE_BUCKET if math.isfinite(sum(values)) else _PER_BUCKET)
    first, span = steps[0], steps[-1] - steps[0] + 1
    kept: list[int] = []
    start = 0
    for bucket in range(1, buckets + 1):
        end = bisect_left(steps, first + -(-span * bucket // buckets), start)
        if start < end:
            kept += _keep(values, start, end)
        start = end
    return series.take(kept)


def _keep(values: array[float], start: int, end: int) -> list[int]:
    bucket = values[start:end].tolist()
    indices = {0, len(bucket) - 1}
    # A finite sum proves that every value is finite, in a quarter of the time.
    finite = bucket if math.isfinite(sum(bucket)) else list(filter(math.isfinite, bucket))
    if finite:
        indices |= {bucket.index(min(finite)), bucket.index(max(finite))}
    if len(finite) < len(bucket):
        indices |= {bucket.index(infinity) for infinity in (math.inf, -math.inf) if infinity in bucket}
        indices |= set(islice((index for index, value in enumerate(bucket) if math.isnan(value)), 1))
    return [start + index for index in sorted(indices)]
