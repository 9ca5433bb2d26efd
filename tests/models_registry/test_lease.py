"""Two portals on one database: one of them serves, and the other takes over when that one is silent."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from mlportal.access.models import User
from mlportal.errors import StaleState
from models_registry import services
from models_registry.models import Deployment, ModelVersion, ServingLease
from models_registry.services.keys import pair_of
from models_registry.serving.asgi import ScoreAnswer, score
from models_registry.serving.lease import Lease
from models_registry.status import DeploymentStatus
from tests.models_registry.conftest import pid_of, until
from tests.models_registry.test_supervisor import children, start_supervisor

IRIS = {"data": [[5.1, 3.5, 1.4, 0.2], [6.7, 3.0, 5.2, 2.3]]}


def ask(deployment: Deployment) -> ScoreAnswer:
    return asyncio.run(score(deployment.name, pair_of(deployment)[0], orjson.dumps(IRIS), "application/json"))


class Machines:
    """Supervisors, each on a machine of its own: another name, another home, the same database."""

    def __init__(self, home: Path, settings: Any) -> None:
        self.home, self.settings = home, settings
        self.processes: list[subprocess.Popen[bytes]] = []

    def start(self, node: str) -> subprocess.Popen[bytes]:
        home = self.home / node
        home.mkdir()
        process = start_supervisor(home, self.settings, MLPORTAL_NODE=node, MLPORTAL_LEASE="2s")
        self.processes.append(process)
        return process


@pytest.fixture
def machines(transactional_db: None, built: object, home: Path, settings: Any) -> Iterator[Machines]:
    there = Machines(home, settings)
    yield there
    for process in there.processes:
        process.kill()
        process.wait()


def served_by(deployment: Deployment, node: str) -> Deployment:
    def is_so() -> bool:
        deployment.refresh_from_db()
        return deployment.status == "Healthy" and [(each.node, each.state) for each in deployment.replicas.all()] == [
            (node, "ready")
        ]

    until(is_so, 60)
    return deployment


def test_one_machine_serves_and_the_other_says_which(
    machines: Machines, iris_version: ModelVersion, contributor: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = machines.start("node-a")
    until(lambda: ServingLease.objects.filter(node="node-a").exists())
    second = machines.start("node-b")
    deployment = services.deploy(iris_version, by=contributor)
    pid = pid_of(served_by(deployment, "node-a"))
    time.sleep(3)  # longer than the lease, and than the start of the second
    assert pid_of(served_by(deployment, "node-a")) == pid
    assert children(first.pid) == [pid] and children(second.pid) == []

    monkeypatch.setenv("MLPORTAL_NODE", "node-b")
    answer = ask(deployment)
    error = orjson.loads(answer.body)["error"]
    assert (answer.status, error["code"], error["details"]) == (503, "served_elsewhere", {"node": "node-a"})
    monkeypatch.setenv("MLPORTAL_NODE", "node-a")
    assert ask(deployment).body == b"[0,2]"

    first.terminate()
    assert first.wait(20) == 0
    stopped = time.monotonic()
    served_by(deployment, "node-b")
    assert time.monotonic() - stopped < 20
    assert pid_of(deployment) != pid and not Path(f"/proc/{pid}").exists()
    monkeypatch.setenv("MLPORTAL_NODE", "node-b")
    assert ask(deployment).body == b"[0,2]"


def test_a_machine_that_was_silent_gives_way_when_it_is_back(
    machines: Machines, iris_version: ModelVersion, contributor: User
) -> None:
    first = machines.start("node-a")
    deployment = services.deploy(iris_version, by=contributor)
    pid = pid_of(served_by(deployment, "node-a"))
    machines.start("node-b")
    os.kill(first.pid, signal.SIGSTOP)
    generation = deployment.generation
    new_pid = pid_of(served_by(deployment, "node-b"))
    assert deployment.generation == generation + 1
    os.kill(first.pid, signal.SIGCONT)
    assert first.wait(20) == 1, "it ends, to be started again as the one that stands by"
    assert not Path(f"/proc/{pid}").exists()
    time.sleep(1)
    assert pid_of(served_by(deployment, "node-b")) == new_pid


@pytest.fixture
def lease(db: None, tmp_path: Path) -> Lease:
    return Lease(tmp_path / "a")


def test_a_lease_is_one_holders_until_it_is_given_back(lease: Lease, tmp_path: Path) -> None:
    other = Lease(tmp_path / "b")
    assert lease.take() and not other.take()
    assert lease.keep()
    other.give_back()  # not its own
    assert not other.take()
    lease.give_back()
    assert other.take() and not lease.take()


def test_the_successor_in_the_same_folder_need_not_wait(lease: Lease, tmp_path: Path) -> None:
    assert lease.take()
    assert Lease(tmp_path / "a").take()


def test_what_a_slow_holder_still_writes_is_refused(
    lease: Lease, tmp_path: Path, iris_version: ModelVersion, contributor: User
) -> None:
    deployment = services.deploy(iris_version, by=contributor)
    assert lease.take()
    as_the_slow_one_knows_it = Deployment.objects.get(pk=deployment.pk)
    ServingLease.objects.update(until="2020-01-01T00:00:00Z")
    assert Lease(tmp_path / "b").take()
    with pytest.raises(StaleState):
        Deployment.objects.move(as_the_slow_one_knows_it, DeploymentStatus.HEALTHY)
    lease._renew_at = 0.0
    assert not lease.keep()
