"""Two versions of a service at once: shares, copies, promotion, and the way back."""

from __future__ import annotations

import os
import signal
from collections import Counter
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from django.test import Client

from mlportal.access.models import User
from mlportal.errors import BadInput, Conflict, NotAllowed
from models_registry import services
from models_registry.models import Deployment, Disagreement, MirrorCount, ModelVersion, Revision, Served
from models_registry.services.history import note_served
from models_registry.services.keys import pair_of
from models_registry.serving.asgi import mirrors
from models_registry.serving.portal_routes import told
from models_registry.serving.supervisor import Supervisor
from models_registry.status import DeploymentStatus
from tests.models_registry.conftest import Register, gateway, until, wait_for_status
from tests.models_registry.test_golden import TWO
from tests.models_registry.test_replicas import load, pids

IRIS = {"data": [[5.1, 3.5, 1.4, 0.2], [6.7, 3.0, 5.2, 2.3]]}


@pytest.fixture
def address(transactional_db: None) -> Iterator[str]:
    with gateway() as it:
        yield it


@pytest.fixture
def http(address: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=address, timeout=30) as client:
        yield client


@pytest.fixture
def second(register: Register, shifted_iris_model: bytes, iris_version: ModelVersion) -> ModelVersion:
    return register(shifted_iris_model)


@pytest.fixture
def service(supervisor: Supervisor, iris_version: ModelVersion, contributor: User) -> Deployment:
    return wait_for_status(
        services.deploy(iris_version, name="iris", auth_enabled=False, by=contributor), "Healthy", "Failed"
    )


def ready(deployment: Deployment, label: str) -> bool:
    return deployment.replicas.filter(revision__label=label, state="ready").exists()


def shares(http: httpx.Client, requests: int = 60) -> Counter[str]:
    told()
    answers = [http.post("/services/iris/score", json=IRIS) for _ in range(requests)]
    assert {answer.status_code for answer in answers} == {200}
    assert all(
        answer.json() == ([0, 2] if answer.headers["x-mlportal-version"] == "iris:1" else [10, 12])
        for answer in answers
    )
    return Counter(answer.headers["x-mlportal-version"] for answer in answers)


def test_a_candidate_gets_its_share_is_promoted_and_taken_back_without_a_new_process(
    http: httpx.Client, service: Deployment, second: ModelVersion, contributor: User
) -> None:
    services.set_candidate(service, [second], by=contributor)
    until(lambda: ready(service, "iris:2"))
    assert shares(http) == {"iris:1": 60}
    asked = http.post("/services/iris/score", json=IRIS, headers={"X-Mlportal-Version": "iris:2"})
    assert (asked.json(), asked.headers["x-mlportal-version"]) == ([10, 12], "iris:2")
    unknown = http.post("/services/iris/score", json=IRIS, headers={"X-Mlportal-Version": "iris:9"})
    assert (unknown.status_code, unknown.json()["error"]["code"]) == (400, "unknown_version")
    assert unknown.json()["error"]["details"]["versions"] == ["iris:1", "iris:2"]

    started = sorted(pids(service))
    services.set_candidate(service, percent=50, by=contributor)
    assert 10 < shares(http)["iris:2"] < 50
    services.set_candidate(service, percent=100, by=contributor)
    assert shares(http) == {"iris:2": 60}

    services.promote(service, by=contributor)
    assert (str(service.live_revision), service.candidate, service.status) == ("iris:2", None, "Healthy")
    assert shares(http) == {"iris:2": 60}
    assert services.roll_back(service, by=contributor) is True
    assert shares(http) == {"iris:1": 60}
    assert services.roll_back(service, by=contributor) is True
    assert shares(http) == {"iris:2": 60}
    assert sorted(pids(service)) == started, "nothing was started anew"

    rows = [(row.version, row.share, row.until is None) for row in reversed(service.served.all())]
    assert rows == [
        ("iris:1", 100, False),
        ("iris:1", 50, False),
        ("iris:2", 50, False),
        ("iris:2", 100, False),
        ("iris:1", 100, False),
        ("iris:2", 100, True),
    ]
    assert {row.actor for row in service.served.all()} == {contributor}


def test_a_candidate_that_answers_otherwise_than_it_owes_gets_no_request_and_is_ended(
    http: httpx.Client,
    supervisor: Supervisor,
    service: Deployment,
    register: Register,
    shifted_iris_model: bytes,
    contributor: User,
) -> None:
    services.set_candidate(service, [register(shifted_iris_model, golden=[TWO])], percent=50, by=contributor)
    until(lambda: service.replicas.filter(state="failed").exists())
    assert shares(http, 10) == {"iris:1": 10}
    assert service.candidate_id is not None
    (worker,) = supervisor.slots[service.pk].fleets[service.candidate_id].workers.values()
    until(lambda: worker.replica and worker.replica.exit)


def test_what_stands_by_becomes_the_second_version_without_a_new_process(
    http: httpx.Client, service: Deployment, second: ModelVersion, contributor: User
) -> None:
    first = service.revision.versions
    services.redeploy(service, second, by=contributor)
    wait_for_status(service, "Healthy")
    assert str(service.standby) == "iris:1"
    started = sorted(pids(service))
    services.set_candidate(service, first, percent=50, by=contributor)
    service.refresh_from_db()
    assert (str(service.candidate), service.standby) == ("iris:1", None)
    assert Revision.objects.filter(label="iris:1").count() == 1
    assert 10 < shares(http)["iris:1"] < 50
    assert sorted(pids(service)) == started


def kill_for_good(service: Deployment, label: str) -> None:
    for _ in range(3):
        running = service.replicas.filter(revision__label=label, state="ready").exclude(pid=None)
        replica = until(running.first)
        os.kill(replica.pid, signal.SIGKILL)
        until(lambda pid=replica.pid: not service.replicas.filter(pid=pid).exists())  # type: ignore[misc]
    until(lambda: service.replicas.filter(revision__label=label, state="failed").exists())


def test_a_second_version_with_a_share_answers_everything_when_the_first_has_failed_for_good(
    http: httpx.Client, service: Deployment, second: ModelVersion, contributor: User, client: Client
) -> None:
    services.set_candidate(service, [second], percent=10, by=contributor)
    until(lambda: ready(service, "iris:2"))
    kill_for_good(service, "iris:1")
    wait_for_status(service, "Unhealthy", "Failed")
    until(lambda: "answers every request" in Deployment.objects.get().failure)
    service.refresh_from_db()
    assert service.status == "Unhealthy"
    assert shares(http) == {"iris:2": 60}
    assert http.get("/services/iris/v2/health/ready").status_code == 200
    client.force_login(contributor)
    page = client.get(service.get_absolute_url()).content.decode()
    assert "iris:1 is given up" in page and "iris:2, the second version, answers every request meanwhile." in page
    assert "does not answer: see the replicas" in page

    services.redeploy(service, service.revision.versions[0], by=contributor)
    wait_for_status(service, "Healthy", "Failed")
    assert ready(service, "iris:1") and service.failure == ""
    assert set(shares(http)) == {"iris:1", "iris:2"}


def test_a_second_version_that_gets_copies_alone_does_not_stand_in(
    service: Deployment, second: ModelVersion, contributor: User
) -> None:
    services.set_candidate(service, [second], mirror=100, by=contributor)
    until(lambda: ready(service, "iris:2"))
    kill_for_good(service, "iris:1")
    wait_for_status(service, "Failed")


def test_what_stood_by_ends_after_its_time_and_going_back_is_an_update_then(
    address: str, service: Deployment, second: ModelVersion, contributor: User, settings: Any
) -> None:
    settings.SERVICE_STANDBY_SECONDS = 2
    with load(address, service) as got:
        services.redeploy(service, second, by=contributor)
        wait_for_status(service, "Healthy")
        assert (str(service.live_revision), str(service.standby)) == ("iris:2", "iris:1")
        until(lambda: not ready(service, "iris:1"))
        service.refresh_from_db()
        assert service.standby is None
        assert services.roll_back(service, by=contributor) is False
        wait_for_status(service, "Healthy")
        assert str(service.live_revision) == "iris:1"
    assert set(got.statuses) == {200}, got.errors[:3]


def test_copies_of_requests_reach_the_candidate_and_its_answers_nobody(
    http: httpx.Client, service: Deployment, second: ModelVersion, contributor: User
) -> None:
    services.set_candidate(service, [second], mirror=100, by=contributor)
    until(lambda: ready(service, "iris:2"))
    assert shares(http, 10) == {"iris:1": 10}

    def counted() -> bool:
        mirrors.flush()
        row = MirrorCount.objects.first()
        return row is not None and row.different + row.dropped + row.failed + row.same == 10

    until(counted, 10)
    row = MirrorCount.objects.get()
    assert row.different > 0 and (row.same, row.failed) == (0, 0)
    newest = Disagreement.objects.all()[0]
    assert (newest.version, newest.candidate, newest.method) == ("iris:1", "iris:2", "predict")
    assert newest.what == "answers [10, 12] instead of [0, 2]"
    assert (newest.answer, newest.other) == ("[0,2]", "[10,12]") and "5.1" in newest.request
    services.forget_disagreements(service, by=contributor)
    assert not Disagreement.objects.exists() and not MirrorCount.objects.exists()
    services.remove_candidate(service, by=contributor)
    until(lambda: service.replicas.count() == 1)
    assert not Revision.objects.filter(label="iris:2").exists()


@pytest.mark.django_db
def test_what_makes_no_sense_is_refused_and_readers_change_nothing(
    iris_version: ModelVersion, second: ModelVersion, contributor: User, reader: User, stranger: User
) -> None:
    made = services.deploy(iris_version, name="iris", by=contributor)
    for percent in (-1, 101):
        with pytest.raises(BadInput):
            services.set_candidate(made, [second], percent=percent, by=contributor)
    with pytest.raises(BadInput, match="no second version"):
        services.set_candidate(made, percent=10, by=contributor)
    with pytest.raises(Conflict, match="made of that already"):
        services.set_candidate(made, [iris_version], by=contributor)
    with pytest.raises(Conflict):
        services.promote(made, by=contributor)
    with pytest.raises(Conflict):
        services.roll_back(made, by=contributor)
    services.remove_candidate(made, by=contributor)
    for person in (reader, stranger):
        for attempt in (services.promote, services.roll_back, services.remove_candidate, services.forget_disagreements):
            with pytest.raises(NotAllowed):
                attempt(made, by=person)
        with pytest.raises(NotAllowed):
            services.set_candidate(made, [second], by=person)
    made.refresh_from_db()
    assert (made.generation, made.candidate) == (1, None)


@pytest.mark.django_db
def test_the_last_versions_that_answered_are_kept_and_hold_no_model(
    iris_version: ModelVersion, register: Register, contributor: User, settings: Any
) -> None:
    settings.SERVICE_HISTORY = 2
    made = services.deploy(iris_version, name="iris", by=contributor)
    versions = [iris_version, *(register(bytes([n])) for n in range(3))]
    for version in versions:
        if version != iris_version:
            services.redeploy(made, version, by=contributor)
        Deployment.objects.move(made, DeploymentStatus.HEALTHY, live_revision=made.revision)
        note_served(made, "it answers", by=contributor)
    Revision.objects.unused(made.workspace).delete()
    assert sorted(Revision.objects.values_list("label", flat=True)) == ["iris:3", "iris:4"]
    assert [(row.version, row.revision is None) for row in Served.objects.all()] == [
        ("iris:4", False),
        ("iris:3", False),
        ("iris:2", True),
        ("iris:1", True),
    ]
    assert str(services.previous(made)) == "iris:3"
    services.delete_version(versions[2], by=contributor)
    assert services.previous(made) is None
    with pytest.raises(Conflict, match="deployed as iris"):
        services.delete_version(versions[3], by=contributor)
    services.stop(made, by=contributor)
    assert not Served.objects.filter(until=None).exists()
    assert pair_of(made)
