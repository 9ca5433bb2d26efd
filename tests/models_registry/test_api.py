"""Models and deployments over the JSON API, as each role meets them."""

from __future__ import annotations

import pytest
from pytest_django import DjangoAssertNumQueries

from mlportal.access.models import AuditEvent, User
from models_registry import services
from models_registry.models import Deployment, ModelVersion, RequestLog
from models_registry.services.keys import pair_of
from tests.api.conftest import Caller, error_of
from tests.models_registry.conftest import MakeRun, Register

Callers = dict[str, Caller]


@pytest.fixture
def deployment(iris_version: ModelVersion, contributor: User) -> Deployment:
    return services.deploy(iris_version, name="iris", by=contributor)


def test_registering(callers: Callers, make_run: MakeRun, iris_model: bytes) -> None:
    run = make_run({"outputs/model.joblib": iris_model})
    wish = {"run": run.uid, "name": "iris flowers", "path": "outputs/model.joblib", "tags": {"stage": "candidate"}}
    made = callers["contributor"].post("models/", wish)
    assert made.status_code == 201
    assert made["Location"] == "/api/v1/workspaces/lab/models/iris%20flowers/versions/1/"
    seen = callers["reader"].get(made["Location"])
    assert seen.status_code == 200
    body = seen.json()
    assert body == {**made.json(), "created_at": body["created_at"]}
    assert (body["id"], body["run"], body["verdict"]) == ("iris flowers:1", run.uid, None)
    assert body["environment"] == {"name": "sklearn", "version": 1}
    assert body["files"][0]["path"] == "model.joblib"
    assert callers["reader"].get("models/").json()["results"][0]["versions"] == 1


@pytest.mark.parametrize(("role", "status"), [("owner", 201), ("contributor", 201), ("reader", 403), ("stranger", 404)])
def test_who_may_register(callers: Callers, make_run: MakeRun, role: str, status: int) -> None:
    run = make_run({"m.joblib": b"1"})
    answer = callers[role].post("models/", {"run": run.uid, "name": "iris", "path": "m.joblib"})
    assert answer.status_code == status
    assert ModelVersion.objects.exists() == (status == 201)


def test_a_refusal_names_the_field(callers: Callers, make_run: MakeRun) -> None:
    run = make_run({"m.joblib": b"1"})
    good = {"run": run.uid, "name": "iris", "path": "m.joblib"}
    for change in ({"path": "absent"}, {"run": "0" * 32}, {"framework": "x"}, {"cpu": "many"}, {"nmae": "x"}):
        answer = callers["contributor"].post("models/", {**good, **change})
        assert answer.status_code == 400
        assert next(iter(change)) in str(error_of(answer))


def test_changing_and_deleting_a_version(callers: Callers, iris_version: ModelVersion) -> None:
    path = "models/iris/versions/1/"
    assert error_of(callers["reader"].patch(path, {"description": "x"}))["code"] == "not_allowed"
    changed = callers["contributor"].patch(path, {"tags": {"a": "b"}})
    assert changed.json()["tags"] == {"a": "b"}
    assert callers["contributor"].delete(path).status_code == 204
    assert callers["contributor"].get(path).status_code == 404


def test_a_file_comes_back_and_cannot_act(callers: Callers, iris_version: ModelVersion, iris_model: bytes) -> None:
    answer = callers["reader"].get("models/iris/versions/1/files/content/", {"path": "model.joblib"})
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert answer["Content-Security-Policy"].startswith("sandbox")
    assert answer["Content-Disposition"].startswith("attachment")
    assert int(answer["Content-Length"]) == len(iris_model)
    for path in ("absent", "../model.joblib", "/etc/passwd"):
        answer = callers["reader"].get("models/iris/versions/1/files/content/", {"path": path})
        assert answer.status_code in (400, 404)
    answer = callers["stranger"].get("models/iris/versions/1/files/content/", {"path": "model.joblib"})
    assert answer.status_code == 404


def test_deploying(callers: Callers, iris_version: ModelVersion) -> None:
    assert callers["reader"].post("deployments/", {"model": "iris"}).status_code == 403
    made = callers["contributor"].post("deployments/", {"model": "iris"})
    assert made.status_code == 201
    assert (made.json()["name"], made.json()["version"], made.json()["status"]) == ("iris", "iris:1", "Transitioning")
    assert made.json()["scoring_path"] == "/services/iris/score"
    taken = callers["contributor"].post("deployments/", {"model": "iris", "version": 1, "name": "iris"})
    assert taken.status_code == 409 and error_of(taken)["details"]["hint"] == "iris-2"
    assert callers["contributor"].post("deployments/", {"model": "iris", "version": 9}).status_code == 400
    assert callers["reader"].get("deployments/iris/").json()["live_version"] is None
    assert callers["stranger"].get("deployments/iris/").status_code == 404


def test_the_life_of_a_deployment(callers: Callers, deployment: Deployment, register: Register) -> None:
    register(b"2")
    me = callers["contributor"]
    assert me.post("deployments/iris/redeploy/", {"version": 2}).json()["version"] == "iris:2"
    assert me.post("deployments/iris/redeploy/", {"version": 2}).status_code == 409
    assert me.post("deployments/iris/stop/").json()["status"] == "Stopped"
    assert me.post("deployments/iris/start/").status_code == 202
    assert me.post("deployments/iris/start/").status_code == 409
    reasons = [event["reason"] for event in callers["reader"].get("deployments/iris/events/").json()["results"]]
    assert reasons == ["started", "stopped", "redeployed with iris:2", "iris:1 deployed"]
    for verb in ("redeploy", "stop", "start"):
        assert callers["reader"].post(f"deployments/iris/{verb}/", {"version": 1}).status_code in (400, 403)
    assert callers["reader"].delete("deployments/iris/").status_code == 403
    assert me.delete("deployments/iris/").status_code == 204
    assert not Deployment.objects.exists()


def test_keys_are_for_contributors_and_never_in_a_cache(callers: Callers, deployment: Deployment) -> None:
    answer = callers["contributor"].get("deployments/iris/keys/")
    assert tuple(answer.json().values()) == pair_of(deployment)
    assert answer["Cache-Control"] == "no-store"
    assert AuditEvent.objects.filter(action="deployment.keys", subject="iris").count() == 1
    assert callers["reader"].get("deployments/iris/keys/").status_code == 403
    assert callers["stranger"].get("deployments/iris/keys/").status_code == 404
    fresh = callers["contributor"].post("deployments/iris/keys/regenerate/", {"key": "secondary"}).json()
    deployment.refresh_from_db()
    assert pair_of(deployment)[1] == fresh["value"] != answer.json()["secondary"]
    assert callers["contributor"].post("deployments/iris/keys/regenerate/", {"key": "x"}).status_code == 400


def test_no_answer_tells_a_key_or_a_nonce(callers: Callers, deployment: Deployment) -> None:
    for path in ("deployments/", "deployments/iris/", "deployments/iris/log/", "deployments/iris/events/"):
        text = callers["owner"].get(path).content.decode()
        assert "mls_" not in text and deployment.primary_nonce not in text and deployment.uid not in text


def test_requests_are_listed(callers: Callers, deployment: Deployment) -> None:
    RequestLog.objects.create(deployment=deployment, status=200, latency_ms=1.5, rows=2, method="predict", request="{}")
    found = callers["reader"].get("deployments/iris/requests/").json()
    assert [(entry["status"], entry["rows"]) for entry in found] == [(200, 2)]


def test_scoring_is_for_members(callers: Callers, deployment: Deployment) -> None:
    assert callers["stranger"].post("deployments/iris/score/", {"data": [[1]]}).status_code == 404
    assert callers["stranger"].client.post("/api/v1/workspaces/lab/deployments/iris/score/").status_code == 401


def test_lists_do_not_ask_more_for_more_rows(
    callers: Callers, register: Register, contributor: User, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    def count(path: str) -> int:
        with django_assert_max_num_queries(12) as captured:
            assert callers["reader"].get(path).status_code == 200
        return len(captured)

    paths = ("models/", "models/iris/versions/", "deployments/")
    services.deploy(register(b"1"), by=contributor)
    callers["reader"].get("models/")  # the first use of a token is noted
    before = [count(path) for path in paths]
    for number in range(5):
        services.deploy(register(b"%d" % number), by=contributor)
        register(b"%d" % number, name=f"other-{number}")
    assert [count(path) for path in paths] == before


def test_unknown_filters_are_refused(callers: Callers, deployment: Deployment) -> None:
    assert len(callers["reader"].get("deployments/", {"status": "Transitioning"}).json()["results"]) == 1
    assert callers["reader"].get("deployments/", {"status": "Healthy"}).json()["results"] == []
    for query in ({"workspace__name": "x"}, {"primary_nonce": "x"}, {"status": "Nonsense"}):
        assert callers["reader"].get("deployments/", query).status_code == 400
