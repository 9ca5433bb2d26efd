"""Names, tags, aliases and stages of models: by the services, by the API, and on the pages."""

from __future__ import annotations

import io

import pytest
from django.test import Client

from experiments import services as experiment_services
from experiments.models import LoggedModel, Run
from mlportal.access.models import AuditEvent, User, Workspace
from mlportal.access.principals import RunPrincipal
from mlportal.blobs import services as blobs
from mlportal.errors import BadInput, Conflict, NotAllowed
from models_registry import services
from models_registry.models import ModelVersion, RegisteredModel
from tests.models_registry.conftest import MakeRun

pytestmark = pytest.mark.django_db
MLMODEL = """flavors:
  sklearn:
    pickled_model: model.pkl
    sklearn_version: 1.10
  python_function:
    loader_module: mlflow.sklearn
    env: {conda: conda.yaml}
signature:
  inputs: >-
    [{"type": "double", "name": "width", "required": true},
    {"type": "tensor", "tensor-spec": {"dtype": "float64", "shape": [-1, 4]}}]
  outputs: 'broken'
"""
FILES = {
    "model/MLmodel": MLMODEL.encode(),
    "model/model.pkl": b"pickle",
    "model/conda.yaml": b"dependencies:\n- python=3.11\n- pip:\n  - mlflow==2.22.5\n  - scikit-learn==1.5.2\n",
    "model/tokenizer.pkl": b"another",
}


@pytest.fixture
def run(make_run: MakeRun) -> Run:
    return make_run({"outputs/model.joblib": b"bytes", **FILES})


@pytest.fixture
def version(run: Run, contributor: User) -> ModelVersion:
    return services.register_model(run, name="iris", path="outputs/model.joblib", by=contributor)


def second(run: Run, contributor: User) -> ModelVersion:
    return services.register_model(run, name="iris", path="outputs/model.joblib", by=contributor)


def test_an_alias_points_to_one_version(version: ModelVersion, run: Run, contributor: User) -> None:
    services.set_alias(version, "champion", by=contributor)
    newer = second(run, contributor)
    services.set_alias(newer, "champion", by=contributor)
    assert [(a.name, a.version.version) for a in version.model.aliases.all()] == [("champion", 2)]
    services.remove_alias(version.model, "champion", by=contributor)
    services.remove_alias(version.model, "champion", by=contributor)
    assert not version.model.aliases.exists()
    assert AuditEvent.objects.filter(action="model.remove_alias").count() == 1


@pytest.mark.parametrize("name", ["latest", "LATEST", "v1", "", "a b", "a/b", "ü!", "x" * 256])
def test_what_is_no_alias(version: ModelVersion, contributor: User, name: str) -> None:
    with pytest.raises(BadInput) as refusal:
        services.set_alias(version, name, by=contributor)
    assert refusal.value.details["field"] == "alias"
    assert not version.model.aliases.exists()


def test_a_stage_archives_the_others_when_asked(version: ModelVersion, run: Run, contributor: User) -> None:
    newer = second(run, contributor)
    services.set_stage(version, "Production", by=contributor)
    services.set_stage(newer, "Production", archive_others=True, by=contributor)
    version.refresh_from_db()
    assert (version.stage, newer.stage) == ("Archived", "Production")
    with pytest.raises(BadInput):
        services.set_stage(newer, "None", archive_others=True, by=contributor)
    with pytest.raises(BadInput):
        services.set_stage(newer, "Shelf", by=contributor)


def test_a_renamed_model_keeps_its_versions(version: ModelVersion, contributor: User, workspace: Workspace) -> None:
    services.create_model(workspace, "other", by=contributor)
    with pytest.raises(Conflict) as refusal:
        services.rename_model(version.model, "other", by=contributor)
    assert refusal.value.code == "exists"
    services.rename_model(version.model, "größer 50 %", by=contributor)
    assert RegisteredModel.objects.get(name="größer 50 %").versions.get() == version


def test_a_run_changes_what_came_out_of_it_alone(version: ModelVersion, make_run: MakeRun, contributor: User) -> None:
    mine = RunPrincipal(version.run_id or 0, version.model.workspace_id, contributor)
    other = RunPrincipal(make_run({}).pk, version.model.workspace_id, contributor)
    services.set_alias(version, "mine", by=mine)
    services.set_alias(version, "mine", by=mine)
    theirs = services.register_model(make_run({"m.pkl": b"x"}), name="iris", path="m.pkl", by=contributor)
    services.set_alias(theirs, "champion", by=contributor)
    services.update_version(version, add_tags={"by": "run"}, by=mine)
    for change in (
        lambda: services.set_alias(version, "theirs", by=other),
        lambda: services.set_alias(version, "champion", by=mine),
        lambda: services.set_stage(version, "Production", archive_others=True, by=mine),
        lambda: services.set_stage(version, "Production", by=other),
        lambda: services.update_version(version, description="theirs", by=other),
    ):
        with pytest.raises(NotAllowed):
            change()
    version.refresh_from_db()
    assert (version.tags, version.stage, version.description) == ({"by": "run"}, "None", "")
    assert [alias.name for alias in version.aliases.all()] == ["mine"]


def test_what_mlmodel_says_is_kept(run: Run, contributor: User) -> None:
    version = services.register_model(run, name="iris", path="model", by=contributor)
    assert version.framework_version == "1.10"  # and not the number 1.1
    assert version.mlmodel is not None and version.mlmodel["signature"]["outputs"] is None
    file = services.main_file(version)
    assert file is not None and file.path == "model/model.pkl"


@pytest.mark.parametrize("columns", ["[" * 20_000, "[NaN]", "[1e999]", "[" * 50 + "]" * 50, '[{"a": "x'])
def test_a_signature_that_is_none_is_left_out(make_run: MakeRun, contributor: User, columns: str) -> None:
    text = f"flavors: {{}}\nsignature:\n  inputs: '{columns}'\n"
    run = make_run({"model/MLmodel": text.encode(), "model/model.pkl": b"pickle"})
    version = services.register_model(run, name="iris", path="model", by=contributor)
    version.refresh_from_db()
    assert version.mlmodel is not None and version.mlmodel["signature"]["inputs"] is None


@pytest.mark.parametrize(
    "text",
    [b"a: &x [1]\nb: *x\n", b"- a\n", b"\xff\xfe", b"flavors: 3\n", b"x" * 70_000, b"!!python/object:os.system {}\n"],
)
def test_an_mlmodel_that_cannot_be_read_says_so(make_run: MakeRun, contributor: User, text: bytes) -> None:
    run = make_run({"model/MLmodel": text, "model/model.pkl": b"pickle"})
    version = services.register_model(run, name="iris", path="model", by=contributor)
    assert version.mlmodel is not None and version.mlmodel["problem"]
    file = services.main_file(version)
    assert file is not None and file.path == "model/model.pkl"


def test_without_an_environment_it_is_served_in_the_one_beside_it(run: Run, contributor: User) -> None:
    Run.objects.filter(pk=run.pk).update(environment_version=None)
    run.refresh_from_db()
    version = services.register_model(run, name="iris", path="model", by=contributor)
    deployment = services.deploy(version, by=contributor)
    environment = deployment.revision.environment_version
    assert environment.environment.name == "mlflow-iris-1"
    assert "scikit-learn==1.5.2" in environment.definition
    assert "mlflow==" not in environment.definition and "no mlflow in it" in deployment.revision.note
    assert "conda.yaml" in deployment.revision.note


def test_a_logged_model_becomes_a_version(run: Run, contributor: User, workspace: Workspace) -> None:
    logged = experiment_services.create_logged_model(run.experiment, name="svc", run=run, by=contributor)
    with pytest.raises(BadInput):
        services.register_logged_model(logged, name="iris", by=contributor)
    for path, data in FILES.items():
        blob = blobs.put(io.BytesIO(data))
        experiment_services.put_model_file(logged, path.removeprefix("model/"), blob, by=contributor)
    version = services.register_logged_model(logged, name="iris", by=contributor)
    assert [file.path for file in version.files.all()] == sorted(FILES)
    experiment_services.delete_logged_model(logged, by=contributor)
    assert not logged.files.exists() and version.files.count() == len(FILES)


def test_the_api_does_it_all(client: Client, version: ModelVersion, contributor: User, reader: User) -> None:
    address = "/api/v1/workspaces/lab/models/iris/"
    client.force_login(contributor)

    def send(method: str, path: str, body: object = None) -> int:
        return int(getattr(client, method)(address + path, body or {}, content_type="application/json").status_code)

    assert send("put", "aliases/champion/", {"version": 1}) == 200
    assert send("put", "aliases/champion/", {"version": 7}) == 404
    assert send("put", "aliases/latest/", {"version": 1}) == 400
    assert send("put", "versions/1/stage/", {"stage": "Staging"}) == 200
    assert send("patch", "", {"description": "of iris", "add_tags": {"team": "blue"}}) == 200
    told = client.get(address).json()
    assert (told["description"], told["tags"]) == ("of iris", {"team": "blue"})
    assert told["aliases"] == [{"name": "champion", "version": 1}]
    one = client.get(f"{address}versions/1/").json()
    assert (one["stage"], one["aliases"], one["mlmodel"]) == ("Staging", ["champion"], None)
    client.force_login(reader)
    assert send("put", "aliases/mine/", {"version": 1}) == send("patch", "", {"name": "x"}) == 403
    assert send("delete", "aliases/champion/") == 403
    client.force_login(contributor)
    assert send("delete", "aliases/champion/") == 204
    assert send("delete", "aliases/champion/") == 404
    assert send("patch", "", {"name": "moved"}) == 200 and client.get(address).status_code == 404


def test_the_pages_do_it_all(client: Client, run: Run, contributor: User, reader: User) -> None:
    version = services.register_model(run, name="iris", path="model", by=contributor)
    page = version.get_absolute_url()
    client.force_login(contributor)
    said = client.post(f"{page}alias/", {"alias": "champion"}, follow=True).content.decode()
    assert "champion points to version 1." in said and "models:/iris@champion" in said
    assert "width" in said and "-1, 4" in said  # the signature's rows
    assert "is no alias" in client.post(f"{page}alias/", {"alias": "latest"}, follow=True).content.decode()
    assert "stage Production" in client.post(f"{page}stage/", {"stage": "Production"}, follow=True).content.decode()
    assert (
        "no version any more"
        in client.post(f"{page}alias/remove/", {"alias": "champion"}, follow=True).content.decode()
    )
    edited = {"name": "moved", "description": "of iris", "tags": "team=blue\nitems=3"}
    said = client.post("/w/lab/models/iris/edit/", edited, follow=True).content.decode()
    assert "of iris" in said and "team=blue" in said and "Production" in said
    client.force_login(reader)
    for path in ("edit/", "1/alias/", "1/alias/remove/", "1/stage/"):
        assert client.post(f"/w/lab/models/moved/{path}", {"alias": "x", **edited}).status_code == 403
    assert "Point an alias" not in client.get("/w/lab/models/moved/1/").content.decode()


def test_the_run_page_lists_its_logged_models(client: Client, run: Run, contributor: User, reader: User) -> None:
    logged = LoggedModel.objects.create(
        workspace=run.workspace,
        experiment=run.experiment,
        run=run,
        name="<b>svc</b>",
        params={"kernel": "rbf", "items": "1"},
        size=3,
    )
    client.force_login(contributor)
    said = client.get(run.get_absolute_url()).content.decode()
    assert "&lt;b&gt;svc" in said and "<b>svc" not in said
    assert (
        "items=1" in said
        and f"models:/{logged.uid}" in said
        and "kernel=rbf" in said
        and f"register-{logged.uid}" in said
    )
    client.force_login(reader)
    assert f"register-{logged.uid}" not in client.get(run.get_absolute_url()).content.decode()
