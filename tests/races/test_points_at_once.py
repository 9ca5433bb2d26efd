"""Numbers of one metric, logged by many at once: each is stored once, and the summary is that of them all."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from experiments import services
from experiments.metrics import Batch, Series, Summary
from experiments.models import Metric, Run
from mlportal.access.models import User, Workspace
from tests.races.conftest import at_once

pytestmark = pytest.mark.django_db(transaction=True)
WRITERS = 10
POINTS = 40


@pytest.fixture
def run(workspace: Workspace, owner: User) -> Run:
    return services.start_run(workspace, experiment="search", by=owner)


def writer(run: Run, number: int) -> Callable[[], None]:
    """Its points are among those of the others, in turns after and before what is the last by then."""

    def write() -> None:
        for place in range(POINTS):
            step = place * WRITERS + number
            points = Series.of([step], [1.0 + step], [float(step * 7919 % 1000)])
            services.write_batch(run, Batch(scalars={"loss": points}))
            if place % 10 == 0:
                services.write_batch(run, Batch(scalars={"loss": points}))  # a client that got no answer

    return write


def test_each_is_stored_once(run: Run) -> None:
    at_once([writer(run, number) for number in range(WRITERS)])
    points = services.history(run, "loss").ordered()
    metric = Metric.objects.get(run=run)
    assert points.steps.tolist() == list(range(WRITERS * POINTS))
    assert metric.summary == Summary.of(points)
    assert sum(chunk.count for chunk in metric.chunks.all()) == WRITERS * POINTS


def test_the_first_of_a_name_is_one_metric(run: Run) -> None:
    at_once([writer(run, number) for number in range(2)] * 5)  # each by five at once
    assert Metric.objects.get(run=run).count == 2 * POINTS
    steps = {place * WRITERS + number for place in range(POINTS) for number in range(2)}
    assert services.history(run, "loss").ordered().steps.tolist() == sorted(steps)
