"""Runs and builds have threads of their own, and Celery's are left for what is short."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

import pytest

from experiments import tasks
from experiments.models import ComputeTarget, EnvironmentBuild, EnvironmentVersion, Run
from experiments.services import building, crew
from experiments.services.crew import FIRST, Crew
from experiments.status import BuildStatus, RunStatus
from mlportal.node import node_name
from mlportal.processes import STOP
from tests.experiments.conftest import Submit
from tests.portal import wait_until

pytestmark = pytest.mark.django_db(transaction=True)
SECONDS = 20


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[int, int], None]]:
    """`small(2, 1)`: a worker that follows two runs and builds one environment at a time."""
    made: list[Crew] = []

    def make(followers: int, builders: int) -> None:
        for name, size in (("followers", followers), ("builders", builders)):
            made.append(Crew(name, size))
            monkeypatch.setattr(crew, name, made[-1])

    yield make
    STOP.set()
    try:
        for one in made:
            one.end()
    finally:
        STOP.clear()


def test_at_most_so_many_at_a_time_and_nothing_twice_in_the_queue() -> None:
    team, gate, begun = Crew("test", 2), threading.Event(), []

    def work(name: str) -> Callable[[], None]:
        def run() -> None:
            begun.append(name)
            gate.wait(SECONDS)

        return run

    for name in ("a", "b", "c", "d", "c", "c"):
        team.do(name, work(name))
    team.do("first", work("first"), rank=FIRST)
    wait_until(lambda: len(begun) == 2, what="both threads are busy")
    time.sleep(0.1)
    assert sorted(begun) == ["a", "b"]
    gate.set()
    wait_until(lambda: len(begun) == 5, what="all is done")
    team.end()
    assert sorted(begun) == ["a", "b", "c", "d", "first"]
    assert begun.index("first") < begun.index("d")


def test_work_that_fails_leaves_its_thread_to_the_next(caplog: pytest.LogCaptureFixture) -> None:
    team, done = Crew("test", 1), threading.Event()

    def fail() -> None:
        raise RuntimeError("a defect")

    team.do("bad", fail)
    team.do("good", done.set)
    assert done.wait(SECONDS)
    team.end()
    assert "a defect" in caplog.text


def test_long_runs_do_not_hold_up_a_build(
    small: Callable[[int, int], None], queued: Submit, target: ComputeTarget, version: EnvironmentVersion
) -> None:
    """Each task returns at once, although every follower is busy."""
    small(2, 1)
    ComputeTarget.objects.update(slots=10)
    runs = [queued("import time\ntime.sleep(60)\n") for _ in range(4)]
    for _ in range(4):
        tasks.take_next(target.pk)
    started = Run.objects.filter(status=RunStatus.RUNNING)
    wait_until(lambda: started.count() == 2, what="two runs are followed")
    build = EnvironmentBuild.objects.create(version=version, node=node_name())
    tasks.build(build.pk)
    wait_until(lambda: EnvironmentBuild.objects.get(pk=build.pk).is_final, what="the build has come to its end")
    assert EnvironmentBuild.objects.get(pk=build.pk).status == BuildStatus.READY
    assert started.count() == 2
    first = started.order_by("pk")[0]
    Run.objects.filter(pk=first.pk).update(cancel_requested_at="2026-01-01T00:00:00Z")
    wait_until(lambda: Run.objects.get(pk=first.pk).is_final, what="the first run was ended")
    wait_until(lambda: Run.objects.get(pk=runs[2].pk).status == RunStatus.RUNNING, what="the next one has its place")


def test_builds_do_not_hold_up_a_run(
    small: Callable[[int, int], None],
    submit: Submit,
    queued: Submit,
    target: ComputeTarget,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    small(1, 1)
    gate, begun = threading.Event(), []

    def slow(build: EnvironmentBuild) -> None:
        begun.append(build.pk)
        gate.wait(SECONDS)

    monkeypatch.setattr(building, "carry_out", slow)
    ready = queued("print('not held up')\n")
    version = ready.environment_version
    assert version is not None
    waiting = []
    for number in range(5):
        other = EnvironmentVersion.objects.create(
            environment=version.environment, version=100 + number, definition=version.definition, digest=str(number)
        )
        run = submit(environment_version=other)
        tasks.prepare(run.pk)  # opens a build, and does not wait for it
        waiting.append(run)
    wait_until(lambda: begun, what="a build has begun")
    tasks.take_next(target.pk)
    wait_until(lambda: Run.objects.get(pk=ready.pk).status == RunStatus.COMPLETED, what="the run is through")
    assert len(begun) == 1
    assert {Run.objects.get(pk=run.pk).status for run in waiting} == {RunStatus.PREPARING}
    gate.set()
    wait_until(lambda: len(begun) == 5, what="each build has had its turn")
