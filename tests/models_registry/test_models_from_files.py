"""Models registered from somebody's own files, from a running script, and how versions are found and changed."""

from __future__ import annotations

import hashlib
import io
from typing import Any

import pytest

from experiments.models import EnvironmentVersion, Experiment, Run, RunToken
from experiments.services import start_run, uploads
from experiments.status import RunStatus
from mlportal.access.models import User, Workspace, digest_of, new_secret
from mlportal.access.services import create_workspace
from models_registry import services
from models_registry.models import ModelVersion, RegisteredModel
from tests.api.conftest import Caller, error_of
from tests.models_registry.conftest import MakeRun, Register

Callers = dict[str, Caller]
MODEL, EXTRA = b"cos\nmodel", b"labels"


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@pytest.fixture
def uploaded(workspace: Workspace, contributor: User) -> list[dict[str, Any]]:
    """The entries of two files that carl has uploaded."""
    uploads.upload(workspace, [io.BytesIO(MODEL), io.BytesIO(EXTRA)], by=contributor)
    return [
        {"path": "iris/model.pkl", "sha256": sha(MODEL)},
        {"path": "iris/labels.txt", "sha256": sha(EXTRA), "size": 6},
    ]


def token_of(run: Run) -> Caller:
    secret = new_secret(RunToken.PREFIX)
    RunToken.objects.create(run=run, digest=digest_of(secret))
    return Caller(secret)


@pytest.mark.parametrize(("role", "status"), [("owner", 201), ("contributor", 201), ("reader", 403), ("stranger", 404)])
def test_who_may_register_files(callers: Callers, uploaded: Any, role: str, status: int) -> None:
    answer = callers[role].post("models/", {"name": "iris", "entries": uploaded, "framework": "Custom"})
    assert answer.status_code == status
    assert ModelVersion.objects.exists() == (status == 201)
    if status == 201:
        made = answer.json()
        assert (made["run"], made["environment"], made["path"], made["size"]) == (None, None, "iris", 15)
        assert [(file["path"], file["sha256"]) for file in made["files"]] == [
            ("iris/labels.txt", sha(EXTRA)),
            ("iris/model.pkl", sha(MODEL)),
        ]
        content = callers["reader"].get(f"{made['page']}", {})  # its page is there, too
        assert content.status_code in (200, 302)
        assert ModelVersion.objects.get().from_files


def test_an_environment_can_be_given(
    callers: Callers, uploaded: Any, environment_version: EnvironmentVersion, make_run: MakeRun
) -> None:
    me = callers["contributor"]
    made = me.post("models/", {"name": "iris", "entries": uploaded, "environment": "sklearn:1"})
    assert made.json()["environment"] == {"name": "sklearn", "version": 1}
    assert made.json()["framework_version"]  # that of the environment's lock
    run = make_run({"m.pkl": b"1"})
    Run.objects.filter(pk=run.pk).update(environment_version=None)
    wish = {"name": "iris", "run": run.uid, "path": "m.pkl"}
    assert me.post("models/", wish).json()["environment"] is None
    assert me.post("models/", {**wish, "environment": {"name": "sklearn"}}).json()["environment"]["version"] == 1
    refused = me.post("models/", {**wish, "environment": "absent"})
    assert refused.status_code == 400 and error_of(refused)["details"]["field"] == "environment"


def test_what_is_missing_is_named_and_nothing_is_made(callers: Callers, uploaded: Any) -> None:
    lacking = [*uploaded, {"path": "iris/more", "sha256": "0" * 64}]
    answer = callers["contributor"].post("models/", {"name": "iris", "entries": lacking})
    assert (answer.status_code, error_of(answer)["code"]) == (409, "blobs_missing")
    assert error_of(answer)["details"]["missing"] == ["0" * 64]
    assert not RegisteredModel.objects.exists()


def test_the_bytes_of_another_workspace_are_not_there(callers: Callers, register: Register, owner: User) -> None:
    register(b"secret")
    create_workspace("other", by=owner)
    there = Caller(callers["owner"].headers["Authorization"].split()[1], "other")
    answer = there.post("models/", {"name": "iris", "entries": [{"path": "m", "sha256": sha(b"secret")}]})
    assert error_of(answer)["code"] == "blobs_missing"
    here = callers["owner"].post("models/", {"name": "copy", "entries": [{"path": "m", "sha256": sha(b"secret")}]})
    assert here.status_code == 201


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"entries": []},
        {"entries": [{"path": "../x", "sha256": sha(MODEL)}]},
        {"entries": [{"path": "x", "sha256": sha(MODEL)}, {"path": "X", "sha256": sha(MODEL)}]},
        {"entries": [{"path": "x", "sha256": sha(MODEL), "size": 1}]},
        {"entries": [{"path": "x", "sha256": sha(MODEL)}], "run": "0" * 32, "path": "x"},
        {"run": "0" * 32},
        {"path": "x"},
        {"entries": [{"path": "x", "sha256": sha(MODEL)}], "framework": "Cobol"},
    ],
)
def test_what_cannot_be_is_refused(callers: Callers, uploaded: Any, change: dict[str, Any]) -> None:
    answer = callers["contributor"].post("models/", {"name": "iris", **change})
    assert answer.status_code == 400
    error_of(answer)
    assert not RegisteredModel.objects.exists()


def test_a_script_reads_the_models_of_its_workspace_and_changes_none(
    make_run: MakeRun, register: Register, owner: User
) -> None:
    version = register(b"weights")
    me = token_of(make_run({}, RunStatus.RUNNING))
    base = f"models/{version.model.name}/"
    for there in ("models/", base, f"{base}versions/", f"{base}versions/1/", "model-versions/"):
        assert me.get(there).status_code == 200, there
    path = me.get(f"{base}versions/1/").json()["files"][0]["path"]
    content = me.get(f"{base}versions/1/files/content/", {"path": path})
    assert (content.status_code, content["Content-Length"]) == (200, "7")
    assert me.delete(base).status_code == me.delete(f"{base}versions/1/").status_code == 403
    assert me.patch(f"{base}versions/1/", {"description": "x"}).status_code == 403
    create_workspace("elsewhere", by=owner)
    token = me.headers["Authorization"].split()[1]
    assert Caller(token, "elsewhere").get("models/").status_code == 404


def test_a_script_registers_from_its_own_runs_alone(make_run: MakeRun, contributor: User, uploaded: Any) -> None:
    mine, other = make_run({"m.pkl": b"1"}, RunStatus.RUNNING), make_run({"m.pkl": b"2"}, RunStatus.RUNNING)
    Experiment.objects.filter(pk=mine.experiment_id).update(last_number=100)
    child = start_run(mine.workspace, parent=mine, by=contributor)
    child.artifacts.create(path="best.pkl", blob=mine.artifacts.get().blob, size=1)
    me = token_of(mine)
    made = me.post("models/", {"name": "iris", "run": mine.uid, "path": "m.pkl"})
    assert (made.status_code, made.json()["created_by"]) == (201, contributor.username)
    assert me.post("models/", {"name": "iris", "run": child.uid, "path": "best.pkl"}).json()["version"] == 2
    assert me.post("models/", {"name": "iris", "run": other.uid, "path": "m.pkl"}).status_code == 400
    assert me.post("models/", {"name": "iris", "entries": uploaded}).status_code == 403
    assert me.patch("models/iris/versions/1/", {"description": "x"}).status_code == 403
    assert ModelVersion.objects.count() == 2


def test_versions_are_found_across_models(callers: Callers, register: Register) -> None:
    register(b"1", tags={"stage": "old", "1": "x", 'a"b': "quoted"}, properties={"acc": "0.9"})
    register(b"2", tags={"stage": "new"}, framework="Onnx")
    rose = register(b"3", name="rose", tags={"stage": "new", "k=v": "w"})
    assert rose.run is not None

    def found(**query: Any) -> list[str]:
        return [row["id"] for row in callers["reader"].get("model-versions/", query).json()["results"]]

    assert found() == ["rose:1", "iris:2", "iris:1"]
    assert found(latest="true") == ["rose:1", "iris:2"]
    assert found(latest="false") == ["iris:1"]
    assert found(name="iris", latest="true") == ["iris:2"]
    assert found(tag="stage") == ["rose:1", "iris:2", "iris:1"]
    assert found(tag="stage=new") == ["rose:1", "iris:2"]
    assert found(tag=["stage=new", "k=v"]) == ["rose:1"]  # a name may hold a = itself
    assert found(tag="1=x") == found(tag='a"b=quoted') == found(tag='a"b') == ["iris:1"]
    assert found(tag="1=y") == found(tag="stage=") == found(tag="absent") == []
    assert found(property="acc=0.9") == ["iris:1"]
    assert found(framework="Onnx") == ["iris:2"]
    assert found(run=rose.run.uid) == ["rose:1"]
    assert callers["stranger"].get("model-versions/").status_code == 404
    assert callers["reader"].get("model-versions/", {"framework": "Cobol"}).status_code == 400


def test_models_are_found_by_what_a_version_is(callers: Callers, register: Register) -> None:
    register(b"1", tags={"stage": "old"})
    register(b"2", tags={"stage": "new"}, framework="Onnx")
    register(b"3", name="rose", tags={"stage": "old"})

    def found(**query: Any) -> list[str]:
        return sorted(row["name"] for row in callers["reader"].get("models/", query).json()["results"])

    assert found() == ["iris", "rose"]
    assert found(name="iris") == found(tag="stage=new") == found(framework="Onnx") == ["iris"]
    assert found(tag="stage=old") == ["iris", "rose"]
    assert found(tag="stage=old", framework="Onnx") == []  # one version has to be all that
    assert found(search="RO") == ["rose"]
    assert callers["reader"].get("models/", {"tag": "stage"}).json()["results"][0]["versions"] in (1, 2)


def test_what_people_say_of_a_version_changes(callers: Callers, register: Register) -> None:
    register(b"1", tags={"a": "b"}, properties={"p": "1"}, cpu=2.0)
    path = "models/iris/versions/1/"
    change = {"add_properties": {"p": "1", "q": "2"}, "memory_gb": 0.5, "cpu": None, "framework_version": "0.19"}
    changed = callers["contributor"].patch(path, change).json()
    assert changed["properties"] == {"p": "1", "q": "2"}
    assert (changed["cpu"], changed["memory_gb"], changed["framework_version"]) == (None, 0.5, "0.19")
    assert (changed["tags"], changed["description"]) == ({"a": "b"}, "")
    refused = callers["contributor"].patch(path, {"add_properties": {"p": "2"}, "description": "x"})
    assert (refused.status_code, error_of(refused)["code"]) == (409, "exists")
    assert error_of(refused)["details"]["names"] == ["p"]
    assert callers["reader"].get(path).json() == changed
    assert callers["reader"].patch(path, {"cpu": 1}).status_code == 403
    assert callers["contributor"].patch(path, {"cpu": 0}).status_code == 400


def test_more_versions_are_no_more_queries(
    callers: Callers, register: Register, django_assert_max_num_queries: Any
) -> None:
    for number in range(6):
        register(b"%d" % number, name=f"model-{number}")
    with django_assert_max_num_queries(9):
        assert len(callers["reader"].get("model-versions/").json()["results"]) == 6


def test_a_version_of_files_is_looked_into(callers: Callers, uploaded: Any) -> None:
    from models_registry.services.inspecting import inspect_version

    callers["contributor"].post("models/", {"name": "iris", "entries": uploaded})
    version = ModelVersion.objects.get()
    inspect_version(version)
    version.refresh_from_db()
    assert version.inspection is not None
    main = services.main_file(version)
    assert main is not None and main.path == "iris/model.pkl"
