"""What a service may be made of: several models, an entry script, and the environment that is chosen for them."""

from __future__ import annotations

import io
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from experiments.environments import curated
from experiments.models import Environment, EnvironmentVersion, Snapshot
from experiments.services import reaping
from experiments.services.snapshots import take_files
from mlportal.access.models import User, Workspace
from mlportal.access.services import create_workspace
from mlportal.errors import BadInput, Conflict, NotAllowed
from models_registry import services
from models_registry.models import Deployment, ModelVersion, Part, Revision
from models_registry.services import Inference
from models_registry.services.environments import CURATED
from models_registry.status import DeploymentStatus
from tests.api.conftest import Caller, error_of
from tests.models_registry.conftest import Register

Callers = dict[str, Caller]
SCORE = b"def init():\n    pass\ndef run(raw_data):\n    return raw_data\n"
TakeScript = Callable[..., Snapshot]


@pytest.fixture
def take_script(workspace: Workspace, contributor: User) -> TakeScript:
    def take(source: bytes = SCORE, name: str = "score.py", place: Workspace = workspace) -> Snapshot:
        return take_files(place, [(name, io.BytesIO(source))], by=contributor).snapshot

    return take


def environment_named(
    workspace: Workspace, name: str, *, is_curated: bool = False, lock: str = ""
) -> EnvironmentVersion:
    environment = Environment.objects.create(workspace=workspace, name=name, curated=is_curated, last_version=1)
    return EnvironmentVersion.objects.create(
        environment=environment, version=1, definition="-", digest="1" * 64, lock={"text": lock} if lock else None
    )


def bare(version: ModelVersion, framework_version: str = "", **fields: Any) -> ModelVersion:
    """As registered from local files: without an environment."""
    version.environment_version = None
    version.framework_version = framework_version
    for name, value in fields.items():
        setattr(version, name, value)
    version.save()
    return version


# -- which environment -----------------------------------------------------------------------------------------------


def test_every_curated_environment_with_scikit_learn_is_known() -> None:
    assert {name for name, it in curated().items() if "- scikit-learn" in it.text} == set(CURATED)


@pytest.mark.parametrize(
    ("framework_version", "name"),
    [
        ("0.19.1", "scikit-learn-0.19.1"),
        ("0.23.2", "AzureML-Tutorial"),
        ("0.24", "scikit-learn-0.24"),
        ("1.2.0", "scikit-learn-1.2.0"),
        ("1.5.2", "azureml-sklearn-1.5"),
        (">=1.6", "azureml-sklearn-1.5"),
        ("1.9.1", "sklearn-today"),
        ("3.0", "sklearn-today"),
    ],
)
def test_a_version_without_an_environment_gets_the_nearest_with_a_note(
    iris_version: ModelVersion, workspace: Workspace, contributor: User, framework_version: str, name: str
) -> None:
    for shipped in CURATED:
        lock = "numpy==1.0\nscikit-learn==1.9.0\n" if shipped == "sklearn-today" else ""
        environment_named(workspace, shipped, is_curated=True, lock=lock)
    deployment = services.deploy(bare(iris_version, framework_version), by=contributor)
    revision = deployment.revision
    assert revision.environment_version.environment.name == name
    assert not revision.environment_given
    assert f"runs in {name}" in revision.note and framework_version in revision.note
    assert ("give an environment" in revision.note) == (framework_version in (">=1.6", "3.0"))
    assert revision.note in deployment.events.get().reason


@pytest.mark.parametrize(
    "fields",
    [{}, {"framework_version": "newest"}, {"framework": "Custom", "framework_version": "1.5"}],
)
def test_an_environment_that_nobody_can_know_is_asked_for(
    iris_version: ModelVersion, workspace: Workspace, contributor: User, fields: dict[str, str]
) -> None:
    environment_named(workspace, "sklearn-today", is_curated=True)
    with pytest.raises(BadInput, match=r"no environment.*inference") as refusal:
        services.deploy(bare(iris_version, **fields), by=contributor)
    assert refusal.value.details["field"] == "inference.environment"
    assert not Revision.objects.exists()


def test_a_given_environment_stays_for_other_models_and_another_is_chosen_anew(
    register: Register, workspace: Workspace, contributor: User
) -> None:
    mine = environment_named(workspace, "mine")
    one, two = register(b"1"), register(b"2")
    given = services.deploy(one, inference=Inference(environment=mine), by=contributor)
    services.redeploy(given, two, by=contributor)
    assert (given.revision.environment_version, given.revision.environment_given) == (mine, True)
    services.update(given, inference=services.NO_INFERENCE, by=contributor)
    assert given.revision.environment_version == two.environment_version
    other = environment_named(workspace, "other")
    three = register(b"3")
    three.environment_version = other
    three.save()
    services.redeploy(given, three, by=contributor)
    assert given.revision.environment_version == other


def test_models_of_several_environments_need_one_that_is_given(
    register: Register, workspace: Workspace, contributor: User, take_script: TakeScript
) -> None:
    one, two = register(b"1"), register(b"2", name="wine")
    two.environment_version = environment_named(workspace, "other")
    two.save()
    script = Inference("score.py", take_script())
    with pytest.raises(BadInput, match=r"sklearn:1, other:1.*inference\.environment"):
        services.deploy(one, two, inference=script, by=contributor)
    deployment = services.deploy(
        one, two, inference=Inference("score.py", take_script(), two.environment_version), by=contributor
    )
    assert deployment.revision.versions == [one, two]
    assert str(deployment.revision) == "score.py with iris:1, wine:1"


def test_a_script_without_models_needs_an_environment(
    workspace: Workspace, contributor: User, take_script: TakeScript
) -> None:
    with pytest.raises(BadInput, match=r"needs inference\.environment"):
        services.deploy(workspace=workspace, inference=Inference("score.py", take_script()), by=contributor)
    made = services.deploy(
        workspace=workspace,
        inference=Inference("score.py", take_script(), environment_named(workspace, "mine")),
        by=contributor,
    )
    assert (made.name, made.revision.versions, str(made.revision)) == ("score", [], "score.py")


# -- what goes together ----------------------------------------------------------------------------------------------


def test_several_models_need_an_entry_script(register: Register, contributor: User) -> None:
    with pytest.raises(BadInput, match="entry_script"):
        services.deploy(register(b"1"), register(b"2", name="wine"), by=contributor)
    assert not Deployment.objects.exists() and not Revision.objects.exists()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"entry_script": "absent.py"}, "not a file of the snapshot"),
        ({"entry_script": "../score.py"}, "score.py"),
        ({"entry_script": ""}, "entry_script"),
        ({"snapshot": None}, "snapshot"),
        ({"environment_variables": {"AZUREML_MODEL_DIR": "/"}}, "set by the portal"),
        ({"environment_variables": {"PYTHONPATH": "/"}}, "set by the portal"),
        ({"environment_variables": {"a=b": "/"}}, "cannot be an environment variable"),
    ],
)
def test_what_a_script_lacks_is_said(
    iris_version: ModelVersion, contributor: User, take_script: TakeScript, change: dict[str, Any], said: str
) -> None:
    wish = {"entry_script": "score.py", "snapshot": take_script(), **change}
    with pytest.raises(BadInput, match=said):
        services.deploy(iris_version, inference=Inference(**wish), by=contributor)
    assert not Revision.objects.exists()


def test_another_workspaces_snapshot_or_environment_is_refused(
    iris_version: ModelVersion, owner: User, contributor: User, take_script: TakeScript
) -> None:
    elsewhere = create_workspace("elsewhere", by=owner)
    snapshot = take_files(elsewhere, [("score.py", io.BytesIO(SCORE))], by=owner).snapshot
    environment = environment_named(elsewhere, "theirs")
    for inference in (Inference("score.py", snapshot), Inference(environment=environment)):
        with pytest.raises(BadInput, match="another workspace"):
            services.deploy(iris_version, inference=inference, by=contributor)


def test_a_folder_without_a_single_model_is_served_by_a_script(
    make_run: Any, contributor: User, take_script: TakeScript
) -> None:
    run = make_run({"outputs/m/a": b"1", "outputs/m/b": b"2"})
    version = services.register_model(run, name="folder", path="outputs/m", by=contributor)
    with pytest.raises(BadInput, match="entry_script"):
        services.deploy(version, by=contributor)
    assert services.deploy(version, inference=Inference("score.py", take_script()), by=contributor).revision.snapshot


# -- what a service holds on to --------------------------------------------------------------------------------------


def test_what_a_service_is_made_of_is_kept_and_nothing_else(
    register: Register, contributor: User, take_script: TakeScript
) -> None:
    one, two, three = register(b"1"), register(b"2", name="wine"), register(b"3", name="other")
    deployment = services.deploy(one, two, inference=Inference("score.py", take_script()), by=contributor)
    for version in (one, two):
        with pytest.raises(Conflict, match=deployment.name):
            services.delete_version(version, by=contributor)
    Snapshot.objects.update(created_at=timezone.now() - timedelta(days=3))
    reaping.sweep()
    assert Snapshot.objects.count() == 1
    services.update(deployment, versions=[three], inference=services.NO_INFERENCE, by=contributor)
    assert Revision.objects.count() == 1
    services.delete_model(two.model, by=contributor)
    reaping.sweep()
    assert not Snapshot.objects.exists()
    services.delete(deployment, by=contributor)
    assert not Revision.objects.exists() and not Part.objects.exists()


def test_a_service_that_is_stopped_lets_go_of_what_answered(register: Register, contributor: User) -> None:
    one, two = register(b"1"), register(b"2")
    deployment = services.deploy(one, by=contributor)
    Deployment.objects.move(deployment, DeploymentStatus.HEALTHY, live_revision=deployment.revision)
    services.redeploy(deployment, two, by=contributor)
    with pytest.raises(Conflict):
        services.delete_version(one, by=contributor)
    services.stop(deployment, by=contributor)
    services.delete_version(one, by=contributor)
    assert Revision.objects.get() == deployment.revision


def test_the_same_model_twice_is_one(iris_version: ModelVersion, contributor: User) -> None:
    assert services.deploy(iris_version, iris_version, by=contributor).revision.versions == [iris_version]


# -- changing a service ----------------------------------------------------------------------------------------------


def test_what_is_said_of_a_service_changes_without_a_redeployment(
    iris_version: ModelVersion, contributor: User
) -> None:
    deployment = services.deploy(iris_version, tags={"team": "a"}, by=contributor)
    before = deployment.revision_id
    services.update(deployment, tags={"team": "b"}, description="new", auth_enabled=False, by=contributor)
    assert (deployment.tags, deployment.description, deployment.auth_enabled) == ({"team": "b"}, "new", False)
    assert deployment.revision_id == before
    assert deployment.events.first().reason == "description changed, tags changed, callers need no key"  # type: ignore[union-attr]
    services.update(deployment, auth_enabled=False, by=contributor)
    assert deployment.events.count() == 2, "what is so already is no event"


def test_overwriting_redeploys_the_service_of_that_name(
    register: Register, contributor: User, owner: User, take_script: TakeScript
) -> None:
    deployment = services.deploy(register(b"1"), name="iris", tags={"a": "1"}, by=contributor)
    key = services.keys(deployment, by=contributor)
    two = register(b"2")
    script = Inference("score.py", take_script())
    again = services.deploy(two, name="iris", inference=script, overwrite=True, by=contributor)
    assert again.pk == deployment.pk and again.revision.versions == [two] and again.tags == {}
    assert services.keys(again, by=contributor) == key
    elsewhere = create_workspace("elsewhere", by=owner)
    with pytest.raises(Conflict):
        services.deploy(
            workspace=elsewhere,
            name="iris",
            inference=Inference(
                "score.py",
                take_files(elsewhere, [("score.py", io.BytesIO(SCORE))], by=owner).snapshot,
                environment_named(elsewhere, "theirs"),
            ),
            overwrite=True,
            by=owner,
        )
    assert services.deploy(two, name="fresh", overwrite=True, by=contributor).name == "fresh"


def test_readers_and_strangers_update_nothing(
    iris_version: ModelVersion, contributor: User, reader: User, stranger: User
) -> None:
    deployment = services.deploy(iris_version, name="iris", by=contributor)
    for person in (reader, stranger):
        with pytest.raises(NotAllowed):
            services.update(deployment, auth_enabled=False, by=person)
        with pytest.raises(NotAllowed):
            services.deploy(iris_version, name="iris", overwrite=True, by=person)
    assert Deployment.objects.get().generation == 1


# -- the API ---------------------------------------------------------------------------------------------------------


def test_a_script_with_two_models_by_the_api(
    callers: Callers, register: Register, take_script: TakeScript, workspace: Workspace
) -> None:
    register(b"1"), register(b"2"), register(b"3", name="wine")
    inference = {
        "entry_script": "score.py",
        "snapshot": take_script().uid,
        "environment": {"name": "sklearn"},
        "environment_variables": {"PASSWORD": "swordfish"},
    }
    wish = {
        "name": "both",
        "models": [{"name": "iris", "version": 1}, {"name": "wine"}],
        "tags": {"a": "b"},
        "cpu": 2,
        "memory_gb": 0.5,
        "inference": inference,
    }
    assert callers["reader"].post("deployments/", wish).status_code == 403
    made = callers["contributor"].post("deployments/", wish)
    assert made.status_code == 201, made.content
    body = callers["reader"].get("deployments/both/").json()
    assert body["models"] == [{"name": "iris", "version": 1}, {"name": "wine", "version": 1}]
    assert (body["version"], body["entry_script"]) == ("score.py with iris:1, wine:1", "score.py")
    assert (body["tags"], body["cpu"], body["memory_gb"]) == ({"a": "b"}, 2.0, 0.5)
    assert body["inference"] == {
        "entry_script": "score.py",
        "snapshot": inference["snapshot"],
        "environment": {"name": "sklearn", "version": 1},
        "environment_variables": ["PASSWORD"],
        "note": "",
    }
    assert "swordfish" not in str(body)
    assert callers["reader"].get("models/wine/versions/1/").json()["deployments"] == ["both"]
    assert [row["name"] for row in callers["reader"].get("deployments/", {"model": "wine"}).json()["results"]] == [
        "both"
    ]
    for role, status in (("reader", 403), ("stranger", 404), ("contributor", 200)):
        answer = callers[role].patch("deployments/both/", {"models": [{"name": "iris"}]})
        assert answer.status_code == status
    assert answer.json()["version"] == "score.py with iris:2"
    assert callers["contributor"].patch("deployments/both/", {"inference": None}).json()["version"] == "iris:2"
    assert Deployment.objects.get().revision.cpu == 2.0


def test_what_the_api_refuses_names_the_field(
    callers: Callers, iris_version: ModelVersion, take_script: TakeScript
) -> None:
    me = callers["contributor"]
    snapshot = take_script().uid
    one = {"models": [{"name": "iris"}]}
    refused: list[tuple[dict[str, Any], str]] = [
        ({}, "model"),
        ({"models": []}, "model"),
        ({"model": "iris", **one}, "either model or models"),
        ({"models": [{"name": "iris", "versoin": 1}]}, "versoin"),
        ({"models": [{"name": "absent"}]}, "absent"),
        ({**one, "inference": {"snapshot": "0" * 32, "entry_script": "score.py"}}, "no such snapshot"),
        ({**one, "inference": {"snapshot": snapshot, "entry_script": "x.py"}}, "x.py"),
        ({**one, "inference": {"environment": {"name": "absent"}}}, "absent"),
        ({**one, "inference": {"entry_skript": "x"}}, "entry_skript"),
        ({**one, "cpu": -1}, "cpu"),
        ({**one, "memory_gb": "x"}, "memory_gb"),
        ({**one, "tags": {"": "x"}}, "tags"),
        ({"inference": {"snapshot": snapshot, "entry_script": "score.py"}}, "inference.environment"),
    ]
    for wish, said in refused:
        answer = me.post("deployments/", wish)
        assert answer.status_code == 400, (wish, answer.content)
        assert said in str(error_of(answer)), (wish, answer.json())
    assert not Deployment.objects.exists() and not Revision.objects.exists()
    me.post("deployments/", {**one, "name": "iris"})
    changes: list[dict[str, Any]] = [
        {"models": []},
        {"name": "x"},
        {"auth_enabled": "perhaps"},
        {"description": "x" * 501},
    ]
    for wish in changes:
        assert me.patch("deployments/iris/", wish).status_code == 400, wish
    assert me.post("deployments/", {**one, "name": "iris"}).status_code == 409
    assert me.post("deployments/", {**one, "name": "iris", "overwrite": True}).status_code == 201
