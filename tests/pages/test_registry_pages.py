"""The pages of models and deployments, as each role sees them."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from experiments.models import Artifact, Environment, EnvironmentVersion, Experiment, Run
from experiments.services.snapshots import take_files
from experiments.status import RunStatus
from mlportal.access.models import AuditEvent, User, Workspace
from mlportal.blobs import services as blobs
from models_registry import services
from models_registry.models import Deployment, ModelVersion, RequestLog, Revision
from models_registry.services.keys import pair_of
from models_registry.status import DeploymentStatus

HTMX = {"HX-Request": "true"}
SIGNATURE = {
    "class": "SVC",
    "methods": ["predict", "decision_function"],
    "default_method": "predict",
    "n_features": 2,
    "example": [[1.5, 2.5]],
    "python": "3.11.7",
    "versions": {"sklearn": "1.9.1"},
}
Register = Callable[..., ModelVersion]


@pytest.fixture
def register(workspace: Workspace, contributor: User) -> Register:
    environment = Environment.objects.create(workspace=workspace, name="sklearn", last_version=1)
    lock = {"text": "numpy==2.0.0\nscikit-learn==1.9.1\n"}
    built = EnvironmentVersion.objects.create(
        environment=environment, version=1, definition="-", digest="0" * 64, lock=lock, lock_key="1" * 64
    )
    experiment = Experiment.objects.create(workspace=workspace, name="trials")

    def make(name: str = "iris", **more: Any) -> ModelVersion:
        run = Run.objects.create(
            workspace=workspace,
            experiment=experiment,
            number=Run.objects.count() + 1,
            status=RunStatus.COMPLETED,
            environment_version=built,
        )
        blob = blobs.put(io.BytesIO(b"bytes"))
        Artifact.objects.create(run=run, path="outputs/model.joblib", blob=blob, size=5)
        return services.register_model(run, name=name, path="outputs/model.joblib", by=contributor, **more)

    return make


@pytest.fixture
def version(register: Register) -> ModelVersion:
    return register(description="<b>bold</b>", tags={"stage": "<i>"})


@pytest.fixture
def deployment(version: ModelVersion, contributor: User) -> Deployment:
    return services.deploy(version, name="flowers", by=contributor)


def as_is(deployment: Deployment, status: DeploymentStatus, **fields: Any) -> Deployment:
    """What the supervisor would have written."""
    if "signature" in fields:
        Revision.objects.filter(pk=deployment.revision_id).update(signature=fields.pop("signature"))
    Deployment.objects.move(deployment, status, **fields)
    return deployment


def signed_in(person: User) -> Client:
    client = Client()
    client.force_login(person)
    return client


@pytest.fixture
def carl(contributor: User) -> Client:
    return signed_in(contributor)


@pytest.fixture
def rita(reader: User) -> Client:
    return signed_in(reader)


def text_of(response: Any, status: int = 200) -> str:
    assert response.status_code == status
    return str(response.content.decode())


PAGES = ("models/", "models/iris/", "models/iris/1/", "deployments/", "deployments/flowers/")


def test_readers_see_every_page_without_what_they_may_not_do(rita: Client, deployment: Deployment) -> None:
    for page in PAGES:
        text = text_of(rita.get(f"/w/lab/{page}"))
        for action in ("/deploy/", "/delete/", "/stop/", "/start/", "/redeploy/", "/keys/", "/edit/"):
            assert action not in text, (page, action)


def test_strangers_and_the_anonymous_see_nothing(stranger: User, client: Client, deployment: Deployment) -> None:
    outside = signed_in(stranger)
    for page in (*PAGES, "deployments/flowers/requests/", "deployments/flowers/keys/?show=1"):
        assert outside.get(f"/w/lab/{page}").status_code == 404
        assert client.get(f"/w/lab/{page}").status_code == 302


def test_the_empty_pages_say_what_to_do(carl: Client, workspace: Workspace) -> None:
    assert "Register model" in text_of(carl.get("/w/lab/models/"))
    assert "press Deploy" in text_of(carl.get("/w/lab/deployments/"))


def test_a_version_tells_its_lineage_and_escapes_what_people_wrote(carl: Client, version: ModelVersion) -> None:
    text = text_of(carl.get("/w/lab/models/iris/1/"))
    assert "<b>bold" not in text and "&lt;b&gt;bold" in text and "stage=&lt;i&gt;" in text
    assert version.run is not None and version.run.get_absolute_url() in text
    assert "2 pinned packages" in text and "outputs/model.joblib" in text


def test_imports_appear_when_a_worker_has_read_the_file(carl: Client, version: ModelVersion) -> None:
    page = "/w/lab/models/iris/1/"
    waiting = carl.get(page, headers=HTMX)
    assert 'hx-trigger="every 1s"' in text_of(waiting)
    assert carl.get(page, {"known": waiting.context["state"]}, headers=HTMX).status_code == 204
    imports = [["numpy", "ndarray", "known"], ["<x>", "system", "dangerous"]]
    found = {"verdict": "dangerous", "format": "pickle", "message": "Careful.", "imports": imports}
    ModelVersion.objects.update(inspection=found)
    text = text_of(carl.get(page, {"known": waiting.context["state"]}, headers=HTMX))
    assert "every 1s" not in text and "no proof of safety" in text
    assert text.index("&lt;x&gt;") < text.index("ndarray")
    assert "data-confirm" in text_of(carl.get(page)).split('id="deploy"')[1].split(">")[0]


def test_the_sample_appears_with_the_imports(carl: Client, version: ModelVersion, contributor: User) -> None:
    page = "/w/lab/models/iris/1/"
    known = {"known": carl.get(page, headers=HTMX).context["state"]}
    services.attach_sample(version, io.BytesIO(b"size\n1\n131540.5\n"), by=contributor)
    ModelVersion.objects.update(inspection={"verdict": "known", "format": "pickle", "message": "", "imports": []})
    text = text_of(carl.get(page, known, headers=HTMX))
    assert 'id="sample" hx-swap-oob="true"' in text and "1 to 131540" in text


def test_one_click_deploys_under_the_proposed_name(carl: Client, version: ModelVersion) -> None:
    assert 'name="name" value="iris"' in text_of(carl.get("/w/lab/models/iris/1/"))
    answer = carl.post("/w/lab/models/iris/1/deploy/", {"name": "iris"})
    assert answer["Location"] == "/w/lab/deployments/iris/"
    assert Deployment.objects.get().revision.versions == [version]


def test_a_taken_name_is_explained_on_the_page(carl: Client, deployment: Deployment) -> None:
    answer = carl.post("/w/lab/models/iris/1/deploy/", {"name": "flowers"}, follow=True)
    assert "There is a service named flowers already" in text_of(answer)
    assert Deployment.objects.count() == 1


def test_readers_change_nothing(rita: Client, deployment: Deployment) -> None:
    for page in (
        "models/iris/delete/",
        "models/iris/1/deploy/",
        "models/iris/1/edit/",
        "models/iris/1/delete/",
        "deployments/flowers/keys/regenerate/",
        "deployments/flowers/stop/",
        "deployments/flowers/delete/",
    ):
        assert rita.get(f"/w/lab/{page}").status_code == 405
        assert rita.post(f"/w/lab/{page}", {"name": "x", "key": "primary"}).status_code == 403, page
    assert rita.get("/w/lab/deployments/flowers/keys/?show=1").status_code == 403
    assert Deployment.objects.get().generation == 1


@pytest.mark.parametrize("action", ["scale", "candidate", "candidate/remove", "promote"])
def test_who_opens_what_a_button_does_is_led_to_the_page_of_the_button(
    rita: Client, client: Client, deployment: Deployment, action: str
) -> None:
    for reader in (rita, client):
        answer = reader.get(f"/w/lab/deployments/flowers/{action}/", headers={"accept": "text/html,*/*"})
        assert (answer.status_code, answer["Allow"]) == (405, "POST")
        page = answer.content.decode()
        assert "Nothing was changed" in page
        above = "/candidate/" if "/" in action else "/"
        assert f'href="/w/lab/deployments/flowers{above}"' in page
    assert rita.get(f"/w/lab/deployments/flowers/{action}/").content == b"", "for programs nothing changes"


def test_tags_are_edited_as_lines(carl: Client, version: ModelVersion) -> None:
    carl.post("/w/lab/models/iris/1/edit/", {"description": "new", "tags": "a=1\n b = x=y \n\nalone"})
    version.refresh_from_db()
    assert (version.description, version.tags) == ("new", {"a": "1", "b": "x=y", "alone": ""})
    refused = carl.post("/w/lab/models/iris/1/edit/", {"description": "", "tags": "=x"})
    assert "Each line starts with a name." in text_of(refused, 400)


def test_what_is_deployed_is_not_deleted_and_that_is_said(carl: Client, deployment: Deployment) -> None:
    for page in ("models/iris/1/delete/", "models/iris/delete/"):
        assert "It is deployed as flowers" in text_of(carl.post(f"/w/lab/{page}", follow=True))
    assert ModelVersion.objects.exists()


def test_a_starting_service_is_asked_every_second_until_it_is_steady(carl: Client, deployment: Deployment) -> None:
    page = "/w/lab/deployments/flowers/"
    first = carl.get(page)
    assert 'hx-trigger="every 1s"' in text_of(first) and "It is being started" in text_of(first)
    known = {"known": first.context["state"]}
    assert carl.get(page, known, headers=HTMX).status_code == 204
    as_is(deployment, DeploymentStatus.HEALTHY, live_revision=deployment.revision, signature=SIGNATURE)
    update = carl.get(page, known, headers=HTMX)
    text = text_of(update)
    assert "<html" not in text and 'hx-trigger="every 5s"' in text
    for part in ("deployment-status", "deployment-actions", "deployment-facts", "deployment-events", "console"):
        assert f'id="{part}"' in text
    assert "[1.5, 2.5]" in text and "decision_function" in text
    # Somebody may be typing there by now.
    assert 'id="console"' not in text_of(carl.get(page, {**known, "form": "1"}, headers=HTMX))


def test_forms_that_offer_versions_follow_what_answers_and_stay_otherwise(
    carl: Client, deployment: Deployment, register: Register
) -> None:
    register()
    page = "/w/lab/deployments/flowers/"
    as_is(deployment, DeploymentStatus.HEALTHY, live_revision=deployment.revision)
    first = carl.get(page)
    assert "Version 1 (answers now)" in text_of(first)
    asked = {"known": "other", "choices": first.context["choices_state"]}
    assert 'id="deployment-other"' not in text_of(carl.get(page, asked, headers=HTMX)), "somebody may be choosing"
    carl.post(f"{page}redeploy/", {"version": "2"})
    text = text_of(carl.get(page, asked, headers=HTMX))
    assert "Version 2 (is being started)" in text and "Version 1 (answers now)" in text
    assert 'id="traffic" hx-swap-oob' in text


def test_a_model_with_one_version_says_what_a_second_one_takes(carl: Client, deployment: Deployment) -> None:
    text = text_of(carl.get("/w/lab/deployments/flowers/"))
    assert "The model has no other version yet" in text and "Start it beside" not in text


def test_a_replica_that_stands_by_is_told_from_one_that_answers(
    carl: Client, deployment: Deployment, register: Register, contributor: User
) -> None:
    register()
    earlier = deployment.revision
    as_is(deployment, DeploymentStatus.HEALTHY, live_revision=earlier)
    deployment.refresh_from_db()
    services.redeploy(deployment, ModelVersion.objects.get(version=2), by=contributor)
    deployment.refresh_from_db()
    as_is(deployment, DeploymentStatus.HEALTHY, live_revision=deployment.revision, standby=earlier)
    for revision in (earlier, deployment.revision):
        deployment.replicas.create(revision=revision, number=1, state="ready", pid=7, node="here")
    assert text_of(carl.get("/w/lab/deployments/flowers/")).count("stands by</span>") == 1


def test_the_console_of_a_service_that_fails_no_longer_says_that_it_is_being_started(
    carl: Client, deployment: Deployment
) -> None:
    page = "/w/lab/deployments/flowers/"
    first = carl.get(page)
    assert "form=1" not in text_of(first)
    as_is(deployment, DeploymentStatus.FAILED, failure="It cannot be loaded.")
    text = text_of(carl.get(page, {"known": first.context["state"]}, headers=HTMX))
    console = text[text.index('id="console"') :]
    assert "It does not run" in console and "being started" not in console


def test_a_failed_service_shows_why_and_its_log_on_top(carl: Client, deployment: Deployment) -> None:
    as_is(deployment, DeploymentStatus.FAILED, failure="It ended <5> times.", log="Traceback <b>")
    text = text_of(carl.get("/w/lab/deployments/flowers/"))
    assert "It ended &lt;5&gt; times." in text and "Traceback &lt;b&gt;" in text
    assert text.index("It ended") < text.index("Traceback") < text.index("Try it")
    assert "Start again" in text


def test_a_failed_redeployment_is_said_while_the_old_version_answers(carl: Client, deployment: Deployment) -> None:
    as_is(
        deployment, DeploymentStatus.HEALTHY, live_revision=deployment.revision, failure="iris:2 could not be started."
    )
    text = text_of(carl.get("/w/lab/deployments/flowers/"))
    assert "The last redeployment failed" in text and "iris:2 could not be started." in text


def test_keys_are_shown_on_request_alone(carl: Client, deployment: Deployment) -> None:
    assert "mls_" not in text_of(carl.get("/w/lab/deployments/flowers/"))
    assert "mls_" not in text_of(carl.get("/w/lab/deployments/flowers/keys/"))
    assert not AuditEvent.objects.filter(action="deployment.keys").exists()
    shown = carl.get("/w/lab/deployments/flowers/keys/?show=1")
    assert all(key in text_of(shown) for key in pair_of(deployment))
    assert shown["Cache-Control"] == "no-store"
    assert AuditEvent.objects.filter(action="deployment.keys").count() == 1
    regenerated = carl.post("/w/lab/deployments/flowers/keys/regenerate/", {"key": "primary"})
    fresh = pair_of(Deployment.objects.get())
    assert fresh[0] != pair_of(deployment)[0] and fresh[0] in text_of(regenerated)


def test_another_version_is_chosen_stopped_and_started(
    carl: Client, deployment: Deployment, register: Register
) -> None:
    register()
    page = "/w/lab/deployments/flowers/"
    assert 'value="2"' in text_of(carl.get(page))
    assert carl.post(f"{page}redeploy/", {"version": "2"}).status_code == 302
    assert str(Deployment.objects.get().revision) == "iris:2"
    for wrong in ("3", "x", "", "²"):
        assert carl.post(f"{page}redeploy/", {"version": wrong}).status_code == 404
    carl.post(f"{page}stop/")
    assert "Start it, and an example" in text_of(carl.get(page))
    carl.post(f"{page}start/")
    assert Deployment.objects.get().status == "Transitioning"
    assert carl.post(f"{page}delete/", follow=True).status_code == 200
    assert not Deployment.objects.exists()


def test_the_request_log_is_drawn_again_only_when_it_grew(carl: Client, deployment: Deployment) -> None:
    RequestLog.objects.create(deployment=deployment, status=400, latency_ms=1, request="<script>", response="{}")
    page = "/w/lab/deployments/flowers/requests/"
    first = carl.get(page)
    assert "&lt;script&gt;" in text_of(first)
    known = {"known": first.context["requests_state"]}
    assert carl.get(page, known).status_code == 204
    RequestLog.objects.create(deployment=deployment, status=200, latency_ms=1)
    assert carl.get(page, known).status_code == 200


def test_pages_do_not_ask_more_for_more_rows(
    carl: Client, register: Register, contributor: User, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    def count(page: str) -> int:
        with django_assert_max_num_queries(25) as captured:
            assert carl.get(f"/w/lab/{page}").status_code == 200
        return len(captured)

    pages = ("models/", "models/iris/", "models/iris/1/", "deployments/", "deployments/iris/")
    services.deploy(register(), name="iris", by=contributor)
    carl.get("/w/lab/models/")
    before = [count(page) for page in pages]
    for number in range(4):
        version = register()
        services.deploy(version, by=contributor)
        services.deploy(ModelVersion.objects.get(version=1, model__name="iris"), by=contributor)
        services.deploy(register(f"other-{number}"), by=contributor)
    assert [count(page) for page in pages] == before


def test_a_service_is_made_with_what_people_say_of_it(carl: Client, version: ModelVersion) -> None:
    page = "/w/lab/models/iris/1/deploy/"
    refused = carl.post(page, {"name": "open", "tags": "=x"})
    assert "Each line starts with a name." in text_of(refused, 400)
    assert not Deployment.objects.exists()
    carl.post(page, {"name": "open", "description": "Mine", "tags": "team=a", "is_open": "on"})
    made = Deployment.objects.get()
    assert (made.description, made.tags, made.auth_enabled) == ("Mine", {"team": "a"}, False)
    text = text_of(carl.get("/w/lab/deployments/open/"))
    assert "team=a" in text and "need no key" in text


def test_what_is_said_of_a_service_is_edited(carl: Client, rita: Client, deployment: Deployment) -> None:
    page = "/w/lab/deployments/flowers/edit/"
    wish = {"description": "<i>new", "tags": "a=<b>", "is_open": "on"}
    assert rita.post(page, wish).status_code == 403
    assert "Each line starts with a name." in text_of(carl.post(page, {**wish, "tags": "=x"}), 400)
    assert Deployment.objects.get().auth_enabled
    text = text_of(carl.post(page, wish, follow=True))
    assert "&lt;i&gt;new" in text and "a=&lt;b&gt;" in text and "callers need no key" in text
    carl.post(page, {**wish, "is_open": ""})
    assert Deployment.objects.get().auth_enabled


def test_a_version_without_an_environment_says_where_it_would_run(carl: Client, version: ModelVersion) -> None:
    version.environment_version = None
    version.framework_version = ""
    version.save()
    text = text_of(carl.get("/w/lab/models/iris/1/"))
    assert "It cannot be served by itself" in text and 'id="deploy"' not in text
    environment = Environment.objects.create(workspace=version.model.workspace, name="sklearn-today", curated=True)
    EnvironmentVersion.objects.create(environment=environment, version=3, definition="-", digest="2" * 64)
    ModelVersion.objects.update(framework_version="1.8.0")
    text = text_of(carl.get("/w/lab/models/iris/1/"))
    assert 'id="deploy"' in text and "It runs in sklearn-today:3" in text
    carl.post("/w/lab/models/iris/1/deploy/", {"name": "iris"})
    assert "It runs in sklearn-today:3" in text_of(carl.get("/w/lab/deployments/iris/"))


def test_a_script_with_two_models_is_shown_with_all_of_it(
    carl: Client, rita: Client, register: Register, contributor: User
) -> None:
    one, two = register(), register("wine")
    files = [(name, io.BytesIO(b"1")) for name in ("src/score.py", "data.txt")]
    snapshot = take_files(one.model.workspace, files, by=contributor).snapshot
    inference = services.Inference("src/score.py", snapshot, environment_variables={"PASSWORD": "swordfish"})
    made = services.deploy(one, two, name="both", inference=inference, by=contributor)
    page = "/w/lab/deployments/both/"
    for reader in (carl, rita):
        text = text_of(reader.get(page))
        assert "src/score.py" in text and snapshot.uid in text and "sklearn:1" in text
        assert "/w/lab/models/iris/1/" in text and "/w/lab/models/wine/1/" in text
        assert "swordfish" not in text and "/redeploy/" not in text and "/invocations" not in text
    as_is(made, DeploymentStatus.HEALTHY, live_revision=made.revision, signature={"class": "score.py", "versions": {}})
    console = text_of(carl.get(page))
    assert "as it is" in console and "data-console-method" not in console
    sample = {"data": [[1, 2]], "factor": 2.5}
    Revision.objects.update(signature={"class": "score.py", "versions": {}, "sample": sample})
    assert "&quot;factor&quot;: 2.5" in text_of(carl.get(page))
    assert "src/score.py" in text_of(carl.get("/w/lab/deployments/"))
    assert "both" in text_of(carl.get("/w/lab/models/wine/"))


def test_the_list_of_models_names_the_services_of_older_versions(
    carl: Client, register: Register, deployment: Deployment
) -> None:
    register()
    text = text_of(carl.get("/w/lab/models/"))
    assert "Version 2" in text and "/w/lab/deployments/flowers/" in text
    assert 'title="Version 1">:1</a>' in text
    carl.post("/w/lab/deployments/flowers/redeploy/", {"version": "2"})
    text = text_of(carl.get("/w/lab/models/"))
    assert "/w/lab/deployments/flowers/" in text and ":2</a>" not in text and ":1</a>" not in text


def test_a_stopped_service_offers_no_send(carl: Client, deployment: Deployment) -> None:
    as_is(deployment, DeploymentStatus.HEALTHY, signature={"class": "SVC", "versions": {}, "python": "3.12"})
    assert "data-console" in text_of(carl.get("/w/lab/deployments/flowers/"))
    carl.post("/w/lab/deployments/flowers/stop/")
    text = text_of(carl.get("/w/lab/deployments/flowers/"))
    assert "It is stopped." in text and "data-console" not in text
