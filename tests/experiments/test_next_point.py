"""One point after the last is stored by a shorter way, and nobody can tell by which way a point came."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import pytest
from django.utils import timezone
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from experiments import services
from experiments.metrics import Batch, Series
from experiments.models import Metric, MetricChunk, Run
from experiments.services import next_point
from mlportal.errors import Conflict
from tests.experiments.conftest import Submit

Point = tuple[int, float, float]
NUMBERS = st.one_of(
    st.sampled_from([0.0, -0.0, 1.0, -1.0, math.inf, -math.inf, math.nan, 1e299, 1e300, 1.7e308, -1.7e308, 5e-324]),
    st.floats(),
)
POINTS = st.lists(st.tuples(st.integers(-3, 3), st.integers(0, 3).map(float), NUMBERS), min_size=1, max_size=40)


@pytest.fixture
def run(running: Submit) -> Run:
    return running()


def log(run: Run, points: Iterable[Point], name: str = "loss") -> None:
    for step, time, value in points:
        services.write_batch(run, Batch(scalars={name: Series.of([step], [time], [value])}))


def log_by_the_long_way(run: Run, points: Iterable[Point], name: str) -> None:
    for step, time, value in points:
        series = Series.of([step], [time], [value])
        services.write_batch(run, Batch(scalars={name: series}, descriptions={name: ""}))


def stored(run: Run, name: str) -> tuple[dict[str, Any], Series]:
    (metric,) = [found for found in services.metric_summaries(run) if found["name"] == name]
    return {key: value for key, value in metric.items() if key != "name"}, services.history(run, name)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(points=POINTS)
@example(points=[(step, float(step), step * 0.37) for step in range(100)])
@example(points=[(0, 0.0, 1.0), (0, 1.0, 1.0), (0, 1.0, 1.0), (0, 1.0, 2.0), (0, 0.0, 3.0)])
@example(points=[(0, 0.0, 1.7e308), (1, 0.0, 1.7e308), (2, 0.0, -1.7e308), (3, 0.0, 1.0)])
@example(points=[(0, 0.0, math.nan), (1, 0.0, 2.0), (2, 0.0, math.inf), (3, 0.0, -math.inf), (4, 0.0, 0.5)])
def test_both_ways_store_the_same(run: Run, points: list[Point]) -> None:
    Metric.objects.filter(run=run).delete()
    log(run, points, "short")
    log_by_the_long_way(run, points, "long")
    assert stored(run, "short") == stored(run, "long")


def test_the_usual_point_takes_the_short_way(run: Run) -> None:
    log(run, [(0, 1.0, 0.5)])
    later = Batch(scalars={"loss": Series.of([1], [2.0], [0.25])})
    assert next_point.is_one(later)
    assert next_point.add(run, later)
    assert not next_point.add(run, later)  # it is there
    assert services.history(run, "loss") == Series.of([0, 1], [1.0, 2.0], [0.5, 0.25])


def test_what_is_not_one_number_takes_the_long_way() -> None:
    one = Series.of([0], [1.0], [1.0])
    assert not next_point.is_one(Batch(scalars={"a": one, "b": one}))
    assert not next_point.is_one(Batch(scalars={"a": one}, params={"p": "1"}))
    assert not next_point.is_one(Batch(scalars={"a": Series.of([0, 1], [1.0, 2.0], [1.0, 2.0])}))
    assert not any(
        next_point.is_one(Batch(scalars={"a": Series.of([0], [1.0], [value])})) for value in (math.nan, math.inf, 1e305)
    )


def test_small_chunks_do_not_pile_up(run: Run) -> None:
    log(run, [(step, float(step), 1.0) for step in range(300)])
    metric = Metric.objects.get(run=run)
    assert metric.count == 300 == sum(chunk.count for chunk in metric.chunks.all())
    assert MetricChunk.objects.filter(metric=metric).count() <= next_point.BETWEEN_MERGES + 10


def test_a_run_in_the_trash_takes_none(run: Run) -> None:
    log(run, [(0, 1.0, 0.5)])
    Run.objects.filter(pk=run.pk).update(deleted_at=timezone.now())
    with pytest.raises(Conflict):
        log(run, [(1, 2.0, 0.25)])
    assert Metric.objects.get(run=run).count == 1


def test_a_page_learns_of_it(run: Run) -> None:
    log(run, [(0, 1.0, 0.5)])
    before = Run.objects.get(pk=run.pk)
    log(run, [(1, 2.0, 0.25)])
    after = Run.objects.get(pk=run.pk)
    assert after.revision == before.revision + 1
    assert after.last_logged_at and before.last_logged_at and after.last_logged_at >= before.last_logged_at
