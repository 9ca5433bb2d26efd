"""Deployments become real model worker processes, whatever happens to them."""

from __future__ import annotations

import asyncio
import os
import pickle
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import orjson
import pytest
from django.core.files.storage import default_storage
from django.db import connection
from django.test import Client

from mlportal.access.models import User
from models_registry import services
from models_registry.models import Deployment, ModelVersion
from models_registry.services.keys import pair_of
from models_registry.serving.asgi import score
from models_registry.serving.supervisor import Supervisor
from models_registry.serving.workers import EXIT_NOT_LOADED
from tests.models_registry.conftest import DEADLY, Register, pid_of, supervising, until, wait_for_status
from tests.serving.conftest import FromSource

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
    assert deployment.live_revision is not None and deployment.live_revision.versions == [iris_version]
    assert deployment.signature is not None and deployment.signature["n_features"] == 4
    assert pid_of(deployment) and "ready after" in deployment.log
    assert [event.new for event in deployment.events.all()] == ["Healthy", "Transitioning"]


def test_a_look_at_rows_that_are_as_they_were_asks_for_no_whole_ones(
    iris_version: ModelVersion, contributor: User, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It looks five times a second, for as long as the portal runs."""
    deployment = services.deploy(iris_version, by=contributor)
    supervisor = Supervisor(tmp_path)
    supervisor._read_rows()
    assert supervisor.slots[deployment.pk].deployment == deployment
    with monkeypatch.context() as patched:
        patched.setattr(supervisor, "_rows", lambda: pytest.fail("whole rows were asked for"))
        supervisor._read_rows()
    services.stop(deployment, by=contributor)
    supervisor._read_rows()
    assert not supervisor.slots[deployment.pk].deployment.wanted


def test_a_killed_model_worker_is_replaced(deployment: Deployment) -> None:
    pid = pid_of(deployment)
    os.kill(pid, signal.SIGKILL)
    wait_for_status(deployment, "Unhealthy")
    assert "killed" in deployment.failure
    wait_for_status(deployment, "Healthy")
    assert ask(deployment) == (200, [0, 2])
    assert pid_of(deployment) != pid
    assert deployment.replicas.get().restarts == 1
    assert deployment.failure == ""


def test_stopping_ends_the_process_and_starting_brings_it_back(deployment: Deployment, contributor: User) -> None:
    pid = pid_of(deployment)
    services.stop(deployment, by=contributor)
    assert deployment.status == "Stopped"
    until(lambda: not os.path.exists(f"/proc/{pid}"), 15)
    services.start(deployment, by=contributor)
    wait_for_status(deployment, "Healthy")
    assert ask(deployment) == (200, [0, 2])


def test_deleting_ends_the_process_and_removes_the_files(deployment: Deployment, contributor: User, home: Path) -> None:
    pid = pid_of(deployment)
    services.delete(deployment, by=contributor)
    until(lambda: not os.path.exists(f"/proc/{pid}"), 15)
    until(lambda: not list((home / "serving" / "revisions").iterdir()), 5)


@pytest.mark.parametrize("code", [7, EXIT_NOT_LOADED])
def test_a_model_that_ends_its_process_ends_as_failed_with_its_log(
    supervisor: Supervisor, register: Register, contributor: User, code: int
) -> None:
    deployment = services.deploy(register(DEADLY.replace(b"7", str(code).encode())), by=contributor)
    wait_for_status(deployment, "Failed")
    assert f"ended 3 times, at last: exit code {code}" in deployment.failure
    assert deployment.log.count("loading model.joblib") == 3
    assert {event.new for event in deployment.events.all()} == {"Transitioning", "Unhealthy", "Failed"}


def test_a_file_that_is_no_model_fails_at_once(supervisor: Supervisor, register: Register, contributor: User) -> None:
    deployment = services.deploy(register(b"not a model"), by=contributor)
    wait_for_status(deployment, "Failed")
    assert "cannot be loaded" in deployment.failure
    assert deployment.log.count("loading model.joblib") == 1


def test_a_version_that_cannot_start_leaves_the_old_one_answering(
    deployment: Deployment, register: Register, contributor: User
) -> None:
    pid = pid_of(deployment)
    services.redeploy(deployment, register(b"not a model"), by=contributor)
    wait_for_status(deployment, "Healthy")
    assert (str(deployment.revision), str(deployment.live_revision)) == ("iris:1", "iris:1")
    assert "iris:2 could not be started, so iris:1 goes on answering" in deployment.failure
    assert "cannot be loaded" in deployment.log
    assert ask(deployment) == (200, [0, 2])
    assert Path(f"/proc/{pid}").exists()


def test_an_environment_that_cannot_be_built_is_said_with_its_log(
    supervisor: Supervisor, iris_version: ModelVersion, contributor: User, settings: Any, home: Path
) -> None:
    settings.ENVIRONMENTS_DIR = home / "environments"
    settings.EXTRA_PYTHONS = []
    environment = iris_version.environment_version
    assert environment is not None and environment.lock is not None
    environment.lock["text"] = "no-such-package-anywhere-at-all==1.0\n"
    environment.lock_key = "f" * 64
    environment.save()
    deployment = wait_for_status(services.deploy(iris_version, by=contributor), "Failed")
    assert "sklearn:1 could not be built" in deployment.failure
    assert "no-such-package" in deployment.log


def test_a_storage_that_is_away_is_waited_for(
    supervisor: Supervisor, iris_version: ModelVersion, contributor: User, home: Path
) -> None:
    revisions = home / "serving" / "revisions"
    revisions.parent.mkdir(exist_ok=True)
    revisions.write_text("in the way of the folder")
    deployment = wait_for_status(services.deploy(iris_version, by=contributor), "Unhealthy", "Failed")
    assert deployment.status == "Unhealthy" and "tried again" in deployment.failure
    time.sleep(1.5)  # several tries, more than a model that fails would get
    revisions.unlink()
    wait_for_status(deployment, "Healthy", "Failed")
    assert (deployment.status, deployment.failure) == ("Healthy", "")


def test_a_model_whose_bytes_are_damaged_is_given_up(
    supervisor: Supervisor, iris_version: ModelVersion, contributor: User
) -> None:
    key = iris_version.files.get().blob.key
    stored = Path(default_storage.path(key))
    stored.chmod(0o600)
    stored.write_bytes(b"other bytes")
    deployment = wait_for_status(services.deploy(iris_version, by=contributor), "Unhealthy", "Failed")
    assert (deployment.status, deployment.failure) == ("Failed", "The stored bytes of model.joblib are damaged.")


def test_a_build_ends_with_the_process_and_nobody_is_to_blame(
    transactional_db: None, iris_version: ModelVersion, contributor: User, home: Path, settings: Any
) -> None:
    settings.ENVIRONMENTS_DIR = home / "environments"
    settings.ENVIRONMENTS_DIR.mkdir()
    environment = iris_version.environment_version
    assert environment is not None and environment.lock is not None
    environment.lock["text"] = "no-such-package-anywhere-at-all==1.0\n"
    environment.lock_key = "e" * 64
    environment.save()
    with socket.create_server(("127.0.0.1", 0)) as silent:  # a package index that never answers
        index = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        deployment = services.deploy(iris_version, by=contributor)
        process = start_supervisor(home, settings, UV_DEFAULT_INDEX=index)
        try:
            silent.settimeout(60)
            connection, _ = silent.accept()
            with connection:
                builders = children(process.pid)
                assert builders
                process.terminate()
                assert process.wait(15) == 0
                assert not any(Path(f"/proc/{pid}").exists() for pid in builders)
        finally:
            process.kill()
            process.wait()
    deployment.refresh_from_db()
    assert (deployment.status, deployment.failure) == ("Transitioning", "")
    build = environment.builds.get()
    assert (build.status, build.cancel_requested_at) == ("Canceled", None)


def children(pid: int) -> list[int]:
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return [int(child) for task in tasks for child in (task / "children").read_text().split()]


def test_two_supervisors_do_not_work_at_once(supervisor: Supervisor, deployment: Deployment) -> None:
    with supervising():
        time.sleep(0.6)
        wait_for_status(deployment, "Healthy")
        assert ask(deployment) == (200, [0, 2])
    assert Path(f"/proc/{pid_of(deployment)}").exists()


def test_a_killed_supervisor_takes_its_workers_along_and_the_next_starts_them_again(
    transactional_db: None, built: object, iris_version: ModelVersion, contributor: User, home: Path, settings: Any
) -> None:
    deployment = services.deploy(iris_version, by=contributor)
    process = start_supervisor(home, settings)
    try:
        wait_for_status(deployment, "Healthy")
        pid, address = pid_of(deployment), deployment.replicas.get().socket
        process.kill()
        process.wait()
        until(lambda: not Path(f"/proc/{pid}").exists(), 10)
        process = start_supervisor(home, settings)
        until(lambda: pid_of(wait_for_status(deployment, "Healthy")) not in (0, pid), 60)
        assert ask(deployment) == (200, [0, 2])
        assert deployment.replicas.get().socket != address, (
            "a gateway that knows the old one must not meet another model there"
        )
        process.terminate()
        assert process.wait(20) == 0
        assert not Path(f"/proc/{pid_of(deployment)}").exists()
    finally:
        process.kill()
        process.wait()


def start_supervisor(home: Path, settings: Any, **more: str) -> subprocess.Popen[bytes]:
    """The process `serving`, on this test's rows and folders."""
    settings.SERVING_DIR = home / "serving"
    environments = home / "environments"
    if not environments.exists():
        environments.symlink_to(settings.ENVIRONMENTS_DIR)
    code = (
        "import django; django.setup(); from models_registry.serving.supervisor import serve_forever; serve_forever()"
    )
    variables = {
        **os.environ,
        **more,
        "DJANGO_SETTINGS_MODULE": "mlportal.settings",
        "MLPORTAL_HOME": str(home),
        "MLPORTAL_SECRET_KEY": settings.SECRET_KEY,
        "DATABASE_URL": f"sqlite:///{connection.settings_dict['NAME']}",
        "STORAGE_URL": f"file://{settings.STORAGES['default']['OPTIONS']['location']}",
    }
    return subprocess.Popen([sys.executable, "-c", code], env=variables, cwd=settings.BASE_DIR)


# Takes as many megabytes as a row says.
HUNGRY = (
    'type("Hungry", (), {"n_features_in_": 1, "predict": lambda self, x: '
    "[bytearray(int(x[0][0]) << 20), x[:, 0].astype(float)][1]})()"
)


def test_a_request_that_takes_all_memory_is_told_so_and_others_are_answered_again(
    supervisor: Supervisor, register: Register, contributor: User, client: Client
) -> None:
    version = register(pickle.dumps(FromSource(HUNGRY)), name="hungry", memory_gb=0.4, cpu=1)
    deployment = wait_for_status(services.deploy(version, by=contributor), "Healthy", "Failed")
    limits = deployment.replicas.get().limits
    assert limits and (limits["memory_bytes"], limits["memory_by"], limits["cores"]) == (400_000_000, "rlimit", 1)
    status, answer = ask(deployment, {"data": [[900]]})
    assert status == 507, answer
    assert "it was out of memory. Send fewer rows" in answer["error"]["message"]  # type: ignore[index]
    wait_for_status(deployment, "Healthy", "Failed")
    assert ask(deployment, {"data": [[1]]}) == (200, [1.0])
    client.force_login(contributor)
    page = client.get(deployment.get_absolute_url()).content.decode()
    assert "out of memory (its limit is 400 MB)" in page, "its history says so"
    assert "Enforced by rlimit for each process" in page and " of 400 MB" in page.replace("\xa0", " ")


# Takes as many seconds as a row says.
SLOW = (
    'type("Slow", (), {"n_features_in_": 1, "predict": lambda self, x: '
    '[__import__("time").sleep(x[0][0]), x[:, 0].astype(float)][1]})()'
)


def test_a_call_that_never_returns_ends_its_replica_which_is_replaced(
    supervisor: Supervisor, register: Register, contributor: User, client: Client, settings: Any
) -> None:
    settings.SERVICE_SECONDS = 1
    version = register(pickle.dumps(FromSource(SLOW)), name="slow")
    deployment = wait_for_status(services.deploy(version, by=contributor), "Healthy", "Failed")
    pid = pid_of(deployment)
    status, answer = ask(deployment, {"data": [[3600]]})
    assert (status, answer["error"]["code"]) == (504, "deadline_exceeded")  # type: ignore[index]
    wait_for_status(deployment, "Unhealthy")
    assert "a call of the model did not return within 6 s" in deployment.failure
    assert "served_model.py" in deployment.log, "where it was"
    wait_for_status(deployment, "Healthy")
    assert pid_of(deployment) != pid
    assert ask(deployment, {"data": [[0]]}) == (200, [0.0])
    client.force_login(contributor)
    page = client.get(deployment.get_absolute_url()).content.decode()
    assert "a call of the model did not return within 6 s" in page, "its history says so"
