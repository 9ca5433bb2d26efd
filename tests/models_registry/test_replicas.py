"""Services of several model workers: none of their callers sees an error, whatever happens to one of them."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from mlportal.access.models import User
from mlportal.errors import BadInput
from models_registry import services
from models_registry.models import Deployment, ModelVersion
from models_registry.services.keys import pair_of
from models_registry.serving.supervisor import Supervisor
from models_registry.status import ReplicaState
from tests.models_registry.conftest import DEADLY, Register, gateway, until, wait_for_status

IRIS = {"data": [[5.1, 3.5, 1.4, 0.2], [6.7, 3.0, 5.2, 2.3]]}


@pytest.fixture
def address(transactional_db: None) -> Iterator[str]:
    with gateway() as it:
        yield it


@pytest.fixture
def pair(supervisor: Supervisor, iris_version: ModelVersion, contributor: User) -> Deployment:
    """A service of two replicas."""
    made = services.deploy(iris_version, name="iris", scaling={"replicas": 2}, by=contributor)
    return wait_for_status(made, "Healthy", "Failed")


def pids(deployment: Deployment, state: str = ReplicaState.READY) -> list[int]:
    found = deployment.replicas.filter(state=state).exclude(pid=None)
    return [replica.pid or 0 for replica in found]


def is_gone(pid: int) -> bool:
    return not Path(f"/proc/{pid}").exists()


class Load:
    """What callers got who asked without a pause."""

    def __init__(self) -> None:
        self.statuses: list[int] = []
        self.answers: list[Any] = []
        self.errors: list[str] = []


@contextmanager
def load(address: str, deployment: Deployment, callers: int = 3) -> Iterator[Load]:
    got, over = Load(), threading.Event()
    headers = {"Authorization": f"Bearer {pair_of(deployment)[0]}"}

    def ask() -> None:
        with httpx.Client(base_url=address, timeout=30, headers=headers) as client:
            while not over.is_set():
                answer = client.post(f"/services/{deployment.name}/score", json=IRIS)
                got.statuses.append(answer.status_code)
                got.answers.append(answer.json())
                if answer.status_code != 200:
                    got.errors.append(answer.text)

    threads = [threading.Thread(target=ask) for _ in range(callers)]
    for thread in threads:
        thread.start()
    try:
        until(lambda: len(got.statuses) > 20)
        yield got
        seen = len(got.statuses)
        until(lambda: len(got.statuses) > seen + 20)
    finally:
        over.set()
        for thread in threads:
            thread.join()


def test_a_service_of_two_replicas_outlives_the_kill_of_one(address: str, pair: Deployment) -> None:
    first, second = pids(pair)
    with load(address, pair) as got:
        os.kill(first, signal.SIGKILL)
        until(lambda: len(pids(pair)) == 2 and first not in pids(pair))
        wait_for_status(pair, "Healthy")
    assert set(got.statuses) == {200}, got.errors[:3]
    assert second in pids(pair)
    assert sorted(pair.replicas.values_list("restarts", flat=True)) == [0, 1]
    said = [event.reason for event in pair.events.all() if event.new == "Unhealthy"]
    assert len(said) == 1 and "killed" in said[0] and "1 of the 2 answers." in said[0]


def test_an_update_of_two_replicas_fails_no_request(
    address: str, pair: Deployment, register: Register, shifted_iris_model: bytes, contributor: User, settings: Any
) -> None:
    settings.SERVICE_STANDBY_SECONDS = 0
    before = pids(pair)
    with load(address, pair) as got:
        services.redeploy(pair, register(shifted_iris_model), by=contributor)
        wait_for_status(pair, "Healthy")
        assert len(pids(pair)) >= 2
        until(lambda: all(map(is_gone, before)), 30)
    assert set(got.statuses) == {200}, got.errors[:3]
    assert str(pair.live_revision) == "iris:2"
    assert got.answers[0] == [0, 2] and got.answers[-1] == [10, 12]
    assert len(pids(pair)) == 2 and not set(before) & set(pids(pair))


def test_an_update_that_is_short_of_memory_changes_one_replica_after_the_other(
    address: str, pair: Deployment, register: Register, shifted_iris_model: bytes, contributor: User, settings: Any
) -> None:
    settings.SERVICE_STANDBY_SECONDS, settings.SERVICE_SURGE = 0, False
    most = 0
    with load(address, pair) as got:
        services.redeploy(pair, register(shifted_iris_model), by=contributor)

        def has_switched() -> bool:
            nonlocal most
            most = max(most, pair.replicas.exclude(state=ReplicaState.LEAVING).count())
            pair.refresh_from_db()
            return pair.status == "Healthy" and str(pair.live_revision) == "iris:2"

        until(has_switched)
        assert pair.replicas.filter(revision=pair.live_revision, state=ReplicaState.READY).count() == 2
    assert set(got.statuses) == {200}, got.errors[:3]
    assert got.answers[-1] == [10, 12] and most == 3


def test_an_update_that_fails_fails_no_request(
    address: str, pair: Deployment, register: Register, contributor: User
) -> None:
    before = pids(pair)
    with load(address, pair) as got:
        services.redeploy(pair, register(DEADLY), by=contributor)
        until(lambda: "could not be started" in Deployment.objects.get().failure)
    pair.refresh_from_db()
    assert set(got.statuses) == {200}, got.errors[:3]
    assert [0, 2] in got.answers and all(answer == [0, 2] for answer in got.answers)
    assert (pair.status, str(pair.revision)) == ("Healthy", "iris:1")
    assert "iris:2 could not be started, so iris:1 goes on answering" in pair.failure and "exit code 7" in pair.failure
    assert pids(pair) == before


def test_more_and_fewer_replicas_are_a_matter_of_asking(address: str, pair: Deployment, contributor: User) -> None:
    first, second = pids(pair)
    with load(address, pair) as got:
        services.update(pair, scaling={"replicas": 3}, by=contributor)
        until(lambda: len(pids(pair)) == 3)
        services.update(pair, scaling={"replicas": 1}, by=contributor)
        until(lambda: is_gone(second) and pair.replicas.count() == 1)
    assert set(got.statuses) == {200}, got.errors[:3]
    assert pids(pair) == [first]
    pair.refresh_from_db()
    assert pair.status == "Healthy"
    assert {event.new for event in pair.events.all()} == {"Transitioning", "Healthy"}


def test_load_starts_replicas_and_calm_ends_them(
    address: str, supervisor: Supervisor, iris_version: ModelVersion, contributor: User, settings: Any
) -> None:
    settings.SERVICE_SCALE_DOWN_SECONDS = 4
    scaling = {"min_replicas": 1, "max_replicas": 2, "autoscale_target_utilization": 20}
    made = wait_for_status(
        services.deploy(iris_version, name="iris", scaling=scaling, by=contributor), "Healthy", "Failed"
    )
    first = pids(made)
    with load(address, made, callers=6) as got:
        until(lambda: len(pids(made)) == 2)
        made.refresh_from_db()
        assert made.desired_replicas == 2
        assert made.scaling.startswith("1 → 2: ") and "more than 20 % of 1" in made.scaling
    until(lambda: made.replicas.count() == 1)
    made.refresh_from_db()
    assert made.scaling == "2 → 1: 1 was enough for the last 4 s"
    assert pids(made) == first and set(got.statuses) == {200}, got.errors[:3]


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("scaling", "says"),
    [
        ({"replicas": 0}, "replicas is from 1 to 20 (MLPORTAL_SERVICE_REPLICAS)"),
        ({"replicas": 21}, "from 1 to 20"),
        ({"max_replicas": 21}, "max_replicas is from 1 to 20"),
        ({"min_replicas": 3}, "At least 3 replicas and at most 1"),
        ({"min_replicas": 3, "max_replicas": 2}, "At least 3 replicas and at most 2"),
        ({"replicas": 2, "max_replicas": 3}, "either"),
        ({"autoscale_target_utilization": 0}, "autoscale_target_utilization"),
        ({"autoscale_refresh_seconds": 3601}, "from 1 to 3600"),
    ],
)
def test_a_number_of_replicas_that_cannot_be_is_refused(
    iris_version: ModelVersion, contributor: User, scaling: dict[str, int], says: str
) -> None:
    with pytest.raises(BadInput) as refusal:
        services.deploy(iris_version, name="iris", scaling=scaling, by=contributor)
    assert says in refusal.value.message
    made = services.deploy(iris_version, name="iris", by=contributor)
    with pytest.raises(BadInput):
        services.update(made, scaling=scaling, by=contributor)
    made.refresh_from_db()
    assert (made.generation, made.min_replicas, made.max_replicas) == (1, 1, 1)
