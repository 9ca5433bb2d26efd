"""Deployments become real model worker processes, whatever happens to them."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import orjson
import pytest

from mlportal.access.models import User
from models_registry import services
from models_registry.models import Deployment, ModelVersion
from models_registry.services.keys import pair_of
from models_registry.serving.asgi import score
from models_registry.serving.supervisor import Supervisor
from tests.models_registry.conftest import DEADLY, Register, until, wait_for_status

IRIS = {"data": [[5.1, 3.5, 1.4, 0.2], [6.7, 3.0, 5.2, 2.3]]}


def ask(deployment: Deployment, body: object = IRIS) -> tuple[int, object]:
    answer = asyncio.run(score(deployment.name, pair_of(deployment)[0], orjson.dumps(body), "application/json"))
    return answer.status, orjson.loads(answer.body)


@pytest.fixture
def deployment(supervisor: Supervisor, iris_version: ModelVersion, contributor: User) -> Deployment:
    return wait_for_status(services.deploy(iris_version, by=contributor), "Healthy", "Failed")


def test_a_deployed_model_answers(deployment: Deployment, iris_version: ModelVersion) -> None:
    assert deployment.status == "Healthy", deployment.failure + deployment.log
    assert ask(deployment) == (200, [0, 2])
    assert deployment.live_version == iris_version
    assert deployment.signature["n_features"] == 4
    assert deployment.replica["pid"] and "ready after" in deployment.log
    assert [event.new for event in deployment.events.all()] == ["Healthy", "Transitioning"]


def test_a_killed_model_worker_is_replaced(deployment: Deployment) -> None:
    pid = deployment.replica["pid"]
    os.kill(pid, signal.SIGKILL)
    wait_for_status(deployment, "Unhealthy")
    assert "killed" in deployment.failure
    wait_for_status(deployment, "Healthy")
    assert ask(deployment) == (200, [0, 2])
    assert deployment.replica["pid"] != pid
    assert deployment.replica["restarts"] == 1
    assert deployment.failure == ""


def test_stopping_ends_the_process_and_starting_brings_it_back(deployment: Deployment, contributor: User) -> None:
    pid = deployment.replica["pid"]
    services.stop(deployment, by=contributor)
    assert deployment.status == "Stopped"
    until(lambda: not os.path.exists(f"/proc/{pid}"), 15)
    services.start(deployment, by=contributor)
    wait_for_status(deployment, "Healthy")
    assert ask(deployment) == (200, [0, 2])


def test_deleting_ends_the_process_and_removes_the_files(deployment: Deployment, contributor: User, home: Path) -> None:
    pid = deployment.replica["pid"]
    services.delete(deployment, by=contributor)
    until(lambda: not os.path.exists(f"/proc/{pid}"), 15)
    until(lambda: not list((home / "v" / "models").iterdir()), 5)


def test_a_model_that_ends_its_process_ends_as_failed_with_its_log(
    supervisor: Supervisor, register: Register, contributor: User
) -> None:
    deployment = services.deploy(register(DEADLY), by=contributor)
    wait_for_status(deployment, "Failed")
    assert "ended 3 times" in deployment.failure
    assert deployment.log.count("loading model.joblib") == 3
    assert {event.new for event in deployment.events.all()} == {"Transitioning", "Unhealthy", "Failed"}


def test_a_file_that_is_no_model_fails_at_once(supervisor: Supervisor, register: Register, contributor: User) -> None:
    deployment = services.deploy(register(b"not a model"), by=contributor)
    wait_for_status(deployment, "Failed")
    assert "cannot be loaded" in deployment.failure
    assert deployment.log.count("loading model.joblib") == 1
