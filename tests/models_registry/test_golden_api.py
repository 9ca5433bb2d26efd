"""Golden requests by the JSON API and on the pages, without any process."""

from __future__ import annotations

import io
from typing import Any

import pytest
from django.test import Client

from mlportal.access.models import AuditEvent, User
from models_registry import services
from models_registry.models import Deployment, GoldenReplay, GoldenRequest, ModelVersion
from models_registry.status import DeploymentStatus
from tests.api.conftest import Caller, error_of
from tests.models_registry.conftest import MakeRun

pytestmark = pytest.mark.django_db
PATH = "models/iris/versions/1/golden/"
TWO: dict[str, Any] = {"name": "two", "data": [[1.0, 2.0]], "answer": [0]}


def test_each_role_does_what_it_may(callers: dict[str, Caller], iris_version: ModelVersion) -> None:
    for role, status in (("stranger", 404), ("reader", 403), ("contributor", 201)):
        assert callers[role].post(PATH, TWO).status_code == status
    [row] = callers["reader"].get(PATH).json()
    assert (row["name"], row["method"], row["request"], row["answer"], row["created_by"]) == (
        "two",
        "predict",
        {"data": [[1.0, 2.0]]},
        [0],
        "carl",
    )
    path = f"{PATH}{row['id']}/"
    for role, status in (("stranger", 404), ("reader", 403), ("contributor", 204), ("owner", 404)):
        assert callers[role].delete(path).status_code == status
    assert [event.action for event in AuditEvent.objects.filter(action__contains="golden").order_by("pk")] == [
        "model.save_golden",
        "model.delete_golden",
    ]


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({"data": [[1]]}, "no answer"),
        ({"answer": [1]}, "either data"),
        ({"data": [[1]], "request": {}, "answer": [1]}, "either data"),
        ({"request": {"rows": 1}, "answer": [1]}, '{"data": [[…], …]}'),
        ({"data": [], "answer": []}, '{"data": [[…], …]}'),
        ({"data": [[1]], "answer": [1], "method": "__class__"}, "name of a method"),
        ({"data": [[1]], "answer": [1], "rtol": -1}, "0"),
        ({"data": [[1]], "answer": [1], "name": "a\nb"}, "line"),
        ({"data": [[1]], "answer": ["x" * 300_000]}, "MLPORTAL_GOLDEN_SIZE"),
        ({"data": [[1]], "answer": 1, "tolerance": 1}, "no such field"),
    ],
)
def test_what_cannot_be_is_one_clear_error(
    callers: dict[str, Caller], iris_version: ModelVersion, body: Any, says: str
) -> None:
    answer = callers["contributor"].post(PATH, body)
    assert answer.status_code in (400, 413)
    assert says in str(error_of(answer))
    assert not GoldenRequest.objects.exists()


def test_there_is_an_end_to_them_and_a_name_is_given_once(
    callers: dict[str, Caller], iris_version: ModelVersion, settings: Any
) -> None:
    settings.GOLDEN_REQUESTS = 2
    assert callers["contributor"].post(PATH, TWO).status_code == 201
    assert error_of(callers["contributor"].post(PATH, TWO))["code"] == "exists"
    assert callers["contributor"].post(PATH, {**TWO, "name": ""}).json()["name"] == "request 1"
    assert "MLPORTAL_GOLDEN_REQUESTS" in error_of(callers["contributor"].post(PATH, {**TWO, "name": "3"}))["message"]


def test_a_model_is_registered_with_its_golden_requests_or_not_at_all(
    callers: dict[str, Caller], make_run: MakeRun, iris_model: bytes
) -> None:
    run = make_run({"outputs/model.joblib": iris_model})
    wish = {"run": run.uid, "path": "outputs/model.joblib", "name": "flowers"}
    refused = callers["contributor"].post("models/", {**wish, "golden": [TWO, {"data": [[1]]}]})
    assert refused.status_code == 400 and "golden[1] has no answer" in error_of(refused)["message"]
    assert not ModelVersion.objects.exists()
    assert callers["contributor"].post("models/", {**wish, "golden": [TWO]}).status_code == 201
    wish["properties"] = {"mlportal.golden_requests": '[{"data": [[1]], "answer": [NaN]}]'}  # type: ignore[assignment]
    assert callers["contributor"].post("models/", wish).status_code == 201
    assert [each.answer for each in GoldenRequest.objects.all()] == [[0], [None]]


@pytest.mark.parametrize("body", [b"{", b"[1]", b"\xff\xfe", b"[" * 100_000, b"null"])
def test_a_file_that_is_none_of_ours_keeps_the_model_from_being_registered(
    make_run: MakeRun, callers: dict[str, Caller], body: bytes
) -> None:
    run = make_run({"outputs/model.joblib": b"1", "outputs/golden_requests.json": body})
    refused = callers["contributor"].post(
        "models/", {"run": run.uid, "path": "outputs/model.joblib", "name": "flowers"}
    )
    assert refused.status_code == 400 and "golden_requests.json" in error_of(refused)["message"]
    assert not ModelVersion.objects.exists()


@pytest.fixture
def refused(iris_version: ModelVersion, contributor: User) -> Deployment:
    """What the supervisor would have written of a first deployment that answers otherwise."""
    deployment = services.deploy(iris_version, by=contributor)
    failure = "Golden request 'two' answers [1] instead of [0]."
    Deployment.objects.move(deployment, DeploymentStatus.FAILED, failure=failure)
    result = {"method": "predict", "seconds": 0.1}
    results = [
        {"name": "<b>two", "passed": False, "problem": "answers [1] instead of [0]", **result},
        {"name": "one", "passed": True, "problem": "", **result},
    ]
    GoldenReplay.objects.create(deployment=deployment, label="iris:1", refused=deployment.revision, results=results)
    return deployment


def test_a_refusal_is_accepted_by_who_may_deploy(callers: dict[str, Caller], refused: Deployment) -> None:
    path = f"deployments/{refused.name}/accept-changes/"
    told = callers["reader"].get(f"deployments/{refused.name}/").json()["golden"]
    assert (told["passed"], told["refused"]) == (False, "iris:1")
    assert told["results"][0]["problem"] == "answers [1] instead of [0]"
    for role, status in (("stranger", 404), ("reader", 403), ("contributor", 202), ("contributor", 409)):
        assert callers[role].post(path).status_code == status
    refused.refresh_from_db()
    assert refused.revision.accept_changes and refused.status == "Transitioning"
    redeployed = callers["contributor"].post(f"deployments/{refused.name}/stop/")
    assert redeployed.status_code == 200


def test_the_pages_show_them_and_offer_what_may_be_done(
    refused: Deployment, iris_version: ModelVersion, contributor: User, reader: User
) -> None:
    carl, rita = Client(), Client()
    carl.force_login(contributor)
    rita.force_login(reader)
    page = carl.get(refused.get_absolute_url()).content.decode()
    assert "It answers [1] instead of [0]." in page and "&lt;b&gt;two" in page and "anyway" in page
    assert "anyway" not in rita.get(refused.get_absolute_url()).content.decode()
    address = iris_version.get_absolute_url()
    assert "There are none yet." in rita.get(address).content.decode()
    body = io.BytesIO(b'[{"data": [[1, 2]], "answer": ["<i>"]}]')
    assert carl.post(f"{address}golden/", {"file": body}).status_code == 302
    assert carl.post(f"{address}golden/", {"golden": '{"data": [[3]], "answer": [4]}'}).status_code == 302
    shown = carl.get(address).content.decode()
    assert "&lt;i&gt;" in shown and "request 2" in shown
    said = carl.post(f"{address}golden/", {"golden": "nonsense"}, follow=True).content.decode()
    assert "What you gave is not JSON" in said
    first = GoldenRequest.objects.earliest("pk")
    assert rita.post(f"{address}golden/{first.pk}/delete/").status_code == 403
    assert carl.post(f"{address}golden/{first.pk}/delete/").status_code == 302
    assert GoldenRequest.objects.count() == 1
    assert carl.post(f"{refused.get_absolute_url()}accept-changes/").status_code == 302
    refused.refresh_from_db()
    assert refused.revision.accept_changes
