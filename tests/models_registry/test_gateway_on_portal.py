"""The gateway on the portal's own rows: routes, keys and the request log."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from mlportal.access.models import User
from models_registry import services
from models_registry.models import Deployment, ModelVersion, RequestLog
from models_registry.services.keys import pair_of
from models_registry.serving.asgi import requests as request_buffer
from models_registry.serving.portal_routes import PortalRoutes, told
from models_registry.serving.supervisor import Supervisor
from models_registry.status import DeploymentStatus
from tests.api.conftest import Caller
from tests.models_registry.conftest import Register, gateway, pid_of, until, wait_for_status

IRIS = {"data": [[5.1, 3.5, 1.4, 0.2], [6.7, 3.0, 5.2, 2.3]]}


@pytest.fixture
def http(transactional_db: None) -> Iterator[httpx.Client]:
    with gateway() as address, httpx.Client(base_url=address, timeout=20) as client:
        yield client
    request_buffer.flush()


@pytest.fixture
def service(supervisor: Supervisor, iris_version: ModelVersion, contributor: User) -> Deployment:
    return wait_for_status(services.deploy(iris_version, name="iris", by=contributor), "Healthy", "Failed")


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def test_keys_open_the_service_until_they_are_made_anew(
    http: httpx.Client, service: Deployment, contributor: User
) -> None:
    primary, secondary = pair_of(service)
    for key in (primary, secondary):
        answer = http.post("/services/iris/score", json=IRIS, headers=bearer(key))
        assert (answer.status_code, answer.json()) == (200, [0, 2])
    for headers in ({}, bearer("mls_wrong"), bearer(primary[:-1])):
        assert http.post("/services/iris/score", json=IRIS, headers=headers).status_code == 401
    fresh = services.regenerate_key(service, "primary", by=contributor)
    until(lambda: http.post("/services/iris/score", json=IRIS, headers=bearer(primary)).status_code == 401, 1.5)
    for key in (fresh, secondary):
        assert http.post("/services/iris/score", json=IRIS, headers=bearer(key)).status_code == 200


def test_a_service_without_keys_asks_for_none(
    http: httpx.Client, supervisor: Supervisor, iris_version: ModelVersion, contributor: User
) -> None:
    open_one = services.deploy(iris_version, name="open", auth_enabled=False, by=contributor)
    wait_for_status(open_one, "Healthy")
    assert http.post("/services/open/score", json=IRIS).json() == [0, 2]


def test_a_service_may_be_called_like_the_address_of_actual_values(
    http: httpx.Client, iris_version: ModelVersion, contributor: User
) -> None:
    services.deploy(iris_version, name="actuals", by=contributor)
    assert http.get("/services/actuals").json()["service"] == "actuals"
    assert http.get("/services/actuals/actuals").status_code == 405


def test_a_new_service_is_found_at_once_and_a_deleted_one_is_gone(
    http: httpx.Client, iris_version: ModelVersion, contributor: User
) -> None:
    assert http.get("/services/iris/").status_code == 404
    deployment = services.deploy(iris_version, name="iris", by=contributor)
    time.sleep(0.06)
    assert http.get("/services/iris/").json()["ready"] is False
    services.delete(deployment, by=contributor)
    until(lambda: http.get("/services/iris/").status_code == 404, 1.5)


def test_a_stopped_service_says_so_and_a_started_one_answers_the_next_call(
    http: httpx.Client, service: Deployment, contributor: User
) -> None:
    headers = bearer(pair_of(service)[0])
    services.stop(service, by=contributor)
    time.sleep(1.1)
    answer = http.post("/services/iris/score", json=IRIS, headers=headers)
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "not_running")
    assert answer.json()["error"]["message"] == "The service iris is stopped"
    time.sleep(0.06)
    services.start(service, by=contributor)
    answer = http.post("/services/iris/score", json=IRIS, headers=headers)
    assert (answer.status_code, answer.json()) == (200, [0, 2])


@pytest.mark.django_db(transaction=True)
def test_who_was_told_of_a_change_is_not_answered_from_what_was_read_before(
    iris_version: ModelVersion, contributor: User
) -> None:
    deployment = services.deploy(iris_version, name="iris", by=contributor)
    rows = Deployment.objects.filter(pk=deployment.pk)

    async def is_closed(routes: PortalRoutes) -> bool:
        await routes.be_ready_for("iris")
        route = routes.lookup("iris")
        assert route is not None
        return bool(route.closed)

    async def ask() -> list[bool]:
        routes = PortalRoutes()
        try:
            seen = [await is_closed(routes)]
            await rows.aupdate(status=DeploymentStatus.STOPPED)
            seen.append(await is_closed(routes))  # what is in memory is young enough
            told()
            seen.append(await is_closed(routes))
            return seen
        finally:
            routes.close()

    assert asyncio.run(ask()) == [False, False, True]


def test_a_failed_service_says_so(
    http: httpx.Client, supervisor: Supervisor, register: Register, contributor: User
) -> None:
    failed = wait_for_status(services.deploy(register(b"not a model"), name="iris", by=contributor), "Failed")
    answer = http.post("/services/iris/score", json=IRIS, headers=bearer(pair_of(failed)[0]))
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "not_running")
    assert "has failed" in answer.json()["error"]["message"]


def test_a_page_under_another_name_cannot_ask_a_service_without_keys(
    http: httpx.Client, iris_version: ModelVersion, contributor: User, settings: Any
) -> None:
    """DNS rebinding: the attacker's name leads to this address, and the visitor's browser sends that name as Host."""
    settings.ALLOWED_HOSTS = ["localhost", "portal.example"]
    open_one = services.deploy(iris_version, name="open", auth_enabled=False, by=contributor)
    services.stop(open_one, by=contributor)
    for host in (
        "evil.example",
        "evil.example:8000",
        "127.0.0.1.evil.example",
        "portal.example@evil.example",
        f"localhost:{'0' * 400}",
    ):
        for answer in (
            http.post("/services/open/score", json=IRIS, headers={"Host": host}),
            http.get("/services/open/", headers={"Host": host}),
        ):
            assert (answer.status_code, answer.json()["error"]["code"]) == (400, "wrong_host"), host
            assert "MLPORTAL_ALLOWED_HOSTS" in answer.text
    for host in ("portal.example", "PORTAL.example:443", "localhost:8000", "10.1.2.3:8000", "[fd00::1]:8000"):
        assert http.get("/services/open/", headers={"Host": host}).status_code == 200, host
    assert not RequestLog.objects.exists()


def test_the_last_hundred_requests_are_kept(http: httpx.Client, service: Deployment) -> None:
    headers = bearer(pair_of(service)[0])
    for batch in range(3):
        for _ in range(40):
            assert http.post("/services/iris/score", json=IRIS, headers=headers).status_code == 200
        request_buffer.flush()
        assert RequestLog.objects.count() <= 40 * (batch + 1)
    assert http.post("/services/iris/score", json={"data": [[1, 2]]}, headers=headers).status_code == 400
    request_buffer.flush()
    until(lambda: RequestLog.objects.filter(status=400).exists(), 3)
    assert RequestLog.objects.count() == 100
    newest = services.recent_requests(service)[0]
    assert (newest.status, newest.error, newest.version) == (400, "bad_input", "iris:1")
    assert newest.request.replace(" ", "") == '{"data":[[1,2]]}'
    first = services.recent_requests(service)[50]
    assert (first.status, first.method, first.rows, first.response) == (200, "predict", 2, "[0,2]")


def test_the_log_of_a_deleted_service_is_dropped(http: httpx.Client, service: Deployment, contributor: User) -> None:
    http.post("/services/iris/score", json=IRIS, headers=bearer(pair_of(service)[0]))
    services.delete(service, by=contributor)
    request_buffer.flush()
    assert not RequestLog.objects.exists()


def test_the_console_asks_without_a_key(service: Deployment, reader: User, callers: dict[str, Caller]) -> None:
    answer = callers["reader"].post("deployments/iris/score/", services.example_request(service))
    assert answer.status_code == 200 and answer.json() == [1]
    wrong = callers["reader"].post("deployments/iris/score/", {"data": [[1]]})
    assert wrong.status_code == 400 and wrong.json()["error"]["details"]["expected"]["n_features"] == 4
    request_buffer.flush()
    until(lambda: RequestLog.objects.count() == 2, 3)


def test_another_version_takes_over_under_load_without_an_error(
    http: httpx.Client,
    service: Deployment,
    register: Register,
    shifted_iris_model: bytes,
    contributor: User,
    settings: Any,
) -> None:
    settings.SERVICE_STANDBY_SECONDS = 0
    headers = bearer(pair_of(service)[0])
    answers: list[tuple[int, object]] = []
    over = threading.Event()

    def ask() -> None:
        with httpx.Client(base_url=http.base_url, timeout=20, headers=headers) as client:
            while not over.is_set():
                answer = client.post("/services/iris/score", json=IRIS)
                answers.append((answer.status_code, answer.json()))

    callers = [threading.Thread(target=ask) for _ in range(4)]
    for caller in callers:
        caller.start()
    pid = pid_of(service)
    try:
        services.redeploy(service, register(shifted_iris_model), by=contributor)
        wait_for_status(service, "Healthy")
        until(lambda: not Path(f"/proc/{pid}").exists(), 15)  # the old one has left
    finally:
        over.set()
        for caller in callers:
            caller.join()
    assert str(service.live_revision) == "iris:2"
    assert {status for status, _ in answers} == {200}
    assert answers[0][1] == [0, 2] and answers[-1][1] == [10, 12]
    assert len(answers) > 100
