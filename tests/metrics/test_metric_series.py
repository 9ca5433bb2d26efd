"""Chunks, summaries and thinned curves of metrics."""

import math
import random
import struct
import subprocess
import sys
import time
from array import array
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments.metrics import BadChunk, Series, Summary, encode, merge, pack, read_batch, thin, unpack

steps = st.integers(-(2**63), 2**63 - 1)
times = st.floats(0, 2e9)
points = st.lists(st.tuples(steps, times, st.floats()), max_size=30)
near_points = st.lists(
    st.tuples(
        st.integers(0, 8), st.sampled_from([1.0, 2.0, 3.0]), st.one_of(st.floats(), st.sampled_from([math.nan, 1.0]))
    ),
    max_size=60,
)


def series_of(found: list[tuple[int, float, float]]) -> Series:
    return Series.of(*zip(*found, strict=True)) if found else Series.of()


def same(a: float | None, b: float | None) -> bool:
    if a is None or b is None:
        return a is b
    return a == b or (math.isnan(a) and math.isnan(b)) or math.isclose(a, b, rel_tol=1e-9, abs_tol=1e-9)


def seconds(call: Callable[[], object], bar: float) -> float:
    """The shortest CPU time of some calls, until one is within ``bar``: other tests may share the machine's caches."""
    shortest = math.inf
    for _ in range(60):
        start = time.process_time()
        call()
        shortest = min(shortest, time.process_time() - start)
        if shortest <= bar:
            break
    return shortest


@given(points)
def test_a_chunk_comes_back_as_it_was(found: list[tuple[int, float, float]]) -> None:
    assert unpack(pack(series_of(found))) == series_of(found)


def test_the_bits_of_every_nan_and_infinity_are_kept() -> None:
    patterns = [0x7FF8000000000001, 0xFFF8000000000000, 0x7FF0000000000000, 0xFFF0000000000000, 0x8000000000000000]
    values = array("d", struct.pack("<5Q", *patterns) if sys.byteorder == "little" else struct.pack(">5Q", *patterns))
    series = Series(array("q", range(5)), array("d", range(5)), values)
    assert unpack(pack(series)).values.tobytes() == values.tobytes()


def test_the_format_is_the_documented_one() -> None:
    assert pack(Series.of([-1], [2.0], [0.5])) == struct.pack("<BIqdd", 1, 1, -1, 2.0, 0.5)


@given(st.lists(points, max_size=4))
def test_merged_chunks_are_the_points_in_a_row(chunks: list[list[tuple[int, float, float]]]) -> None:
    assert unpack(merge(pack(series_of(chunk)) for chunk in chunks)) == series_of(
        [p for chunk in chunks for p in chunk]
    )


@pytest.mark.parametrize("damage", [lambda c: c[:-1], lambda c: c + b"\0", lambda c: b"\2" + c[1:], lambda c: c[:3]])
def test_a_damaged_chunk_is_refused(damage: Callable[[bytes], bytes]) -> None:
    with pytest.raises(BadChunk):
        unpack(damage(pack(Series.of([1, 2], [1.0, 2.0], [1.0, 2.0]))))


def test_columns_of_different_length_are_refused() -> None:
    with pytest.raises(ValueError, match="length"):
        Series.of([1], [1.0, 2.0], [1.0])


@given(near_points)
def test_ordering_is_by_step_then_time_and_stable(found: list[tuple[int, float, float]]) -> None:
    assert series_of(found).ordered() == series_of(sorted(found, key=lambda point: point[:2]))


@given(near_points)
def test_a_summary_says_what_the_points_say(found: list[tuple[int, float, float]]) -> None:
    summary = Summary.of(series_of(found))
    numbers = [(step, value) for step, _, value in found if not math.isnan(value)]
    assert summary.count == len(found)
    assert summary.nan_count == len(found) - len(numbers)
    assert summary.first_step == min((step for step, _, _ in found), default=None)
    last = max((point[:2] for point in found), default=(None, None))
    assert (summary.last_step, summary.last_time) == last
    equals = [value for *key, value in found if tuple(key) == last]
    largest = max(
        (0.0 if math.isnan(value) else value for value in equals), default=None
    )  # NaN counts as 0, as in MLflow
    assert any(same(summary.last, value) for value in equals) or not found
    assert summary.last == largest or (largest == 0 and summary.last is not None and math.isnan(summary.last))
    for value, step, extreme in ((summary.min, summary.min_step, min), (summary.max, summary.max_step, max)):
        expected = extreme((value for _, value in numbers), default=None)
        assert value == expected
        assert step == min((step for step, value in numbers if value == expected), default=None)
    mean = sum(value for _, value in numbers) / len(numbers) if numbers else None
    assert same(summary.mean, mean)


finite_points = st.lists(
    st.tuples(st.integers(0, 8), st.sampled_from([1.0, 2.0]), st.sampled_from([math.nan, math.inf, -1.5, 0.0, 2.0])),
    max_size=20,
)


@given(finite_points, finite_points, finite_points)
def test_merging_summaries_is_associative_and_the_same_as_all_at_once(
    a: list[tuple[int, float, float]], b: list[tuple[int, float, float]], c: list[tuple[int, float, float]]
) -> None:
    x, y, z = (Summary.of(series_of(part)) for part in (a, b, c))
    expected = Summary.of(series_of(a + b + c))
    for summary in (x.merge(y).merge(z), x.merge(y.merge(z)), Summary().update(series_of(a + b)).update(series_of(c))):
        for name in Summary.__dataclass_fields__:
            assert same(getattr(summary, name), getattr(expected, name)), name


def test_the_last_value_is_kept_as_nan_and_the_extremes_leave_it_out() -> None:
    summary = Summary.of(Series.of([0, 1, 2], [1.0, 2.0, 3.0], [5.0, 3.0, math.nan]))
    assert (summary.min, summary.min_step, summary.max, summary.max_step, summary.mean) == (3.0, 1, 5.0, 0, 4.0)
    assert summary.last is not None
    assert math.isnan(summary.last)


def test_only_nan_has_neither_extremes_nor_mean() -> None:
    summary = Summary.of(Series.of([0], [1.0], [math.nan]))
    assert (summary.count, summary.nan_count, summary.min, summary.max, summary.mean) == (1, 1, None, None, None)


@given(near_points, st.integers(7, 40))
def test_a_thinned_curve_keeps_ends_and_extremes_and_invents_nothing(
    found: list[tuple[int, float, float]], limit: int
) -> None:
    series = series_of(found)
    thinned = thin(series, limit)
    assert len(thinned) <= max(limit, 0)
    rows = list(zip(thinned.steps, thinned.times, map(repr, thinned.values), strict=True))
    whole = [(step, moment, repr(value)) for step, moment, value in sorted(found, key=lambda point: point[:2])]
    remaining = iter(whole)
    assert all(row in remaining for row in rows), "a subsequence of the ordered points"
    if found:
        assert (rows[0], rows[-1]) == (whole[0], whole[-1])
    finite = [value for value in series.values if math.isfinite(value)]
    if finite:
        assert {min(finite), max(finite)} <= set(thinned.values)
    assert {repr(v) for v in series.values if not math.isfinite(v)} <= {repr(v) for v in thinned.values}


def test_every_spike_of_a_long_curve_survives() -> None:
    generator = random.Random(1)
    values = [generator.random() for _ in range(50_000)]
    spikes = {at: 10.0 + at for at in range(500, 50_000, 1000)}
    for at, value in spikes.items():
        values[at] = value
    thinned = thin(Series.of(range(50_000), map(float, range(50_000)), values), 800)
    assert len(thinned) <= 800
    assert set(spikes.values()) <= set(thinned.values)


def test_a_gap_of_nan_stays_a_gap_and_hides_no_extreme() -> None:
    values = [math.nan if 4000 <= i < 6000 else float(i) for i in range(10_000)]
    thinned = thin(Series.of(range(10_000), map(float, range(10_000)), values), 700)
    gaps = [step for step, value in zip(thinned.steps, thinned.values, strict=True) if math.isnan(value)]
    assert min(gaps) <= 4100
    assert max(gaps) >= 5900
    assert 3999.0 in thinned.values
    assert 6000.0 in thinned.values


def test_buckets_are_as_wide_in_steps_not_in_points() -> None:
    """A burst of points at one end does not eat the pixels of the rest."""
    where = [*range(10_000), *range(10_000, 1_000_000, 10_000)]
    thinned = thin(Series.of(where, map(float, where), [1.0 * (i % 7) for i in where]), 400)
    assert sum(step >= 10_000 for step in thinned.steps) >= 90


def test_extreme_steps_do_not_overflow() -> None:
    series = Series.of([-(2**63), *range(100), 2**63 - 1], [1.0] * 102, [1.0] * 102)
    assert thin(series, 20).steps[-1] == 2**63 - 1


def test_fewer_points_than_one_bucket_needs_are_refused() -> None:
    with pytest.raises(ValueError, match="at least 7"):
        thin(Series.of(), 6)


@pytest.mark.parametrize(
    ("value", "encoded"),
    [
        (math.nan, "NaN"),
        (math.inf, "Infinity"),
        (-math.inf, "-Infinity"),
        ({"a": [1.5, math.nan], "b": (math.inf,)}, {"a": [1.5, "NaN"], "b": ["Infinity"]}),
        ("nan", "nan"),
        (True, True),
        (None, None),
        (2**70, 2**70),
    ],
)
def test_numbers_leave_the_portal_as_json_can_hold_them(value: object, encoded: object) -> None:
    assert encode(value) == encoded


def test_five_thousand_points_are_stored_in_three_milliseconds() -> None:
    series = Series.of(range(5000), [1.7e9 + i for i in range(5000)], [math.sin(i) for i in range(5000)])
    before = Summary.of(series)
    assert seconds(lambda: (pack(series), before.update(series)), 0.003) <= 0.003


def test_a_hundred_thousand_points_are_thinned_in_twenty_milliseconds() -> None:
    generator = random.Random(2)
    values = [generator.random() for _ in range(100_000)]
    series = Series.of(range(100_000), map(float, range(100_000)), values)
    assert seconds(lambda: thin(series, 1000), 0.020) <= 0.020


def test_a_process_that_only_stores_metrics_does_not_load_numpy() -> None:
    code = (
        "import sys, experiments.metrics as m\n"
        "m.thin(m.Series.of(range(9), range(9), range(9)), 7)\n"
        "print('numpy' in sys.modules)"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout == "False\n"


def test_five_thousand_records_are_read_in_milliseconds() -> None:
    records = [{"t": 1.7e9 + i, "k": "scalar", "n": "loss", "v": 0.5, "s": None} for i in range(5000)]
    assert seconds(lambda: read_batch(records), 0.005) <= 0.005
