"""Runs that a client runs itself: started, logged to and finished over HTTP, by people and by running scripts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from experiments import services
from experiments.models import Experiment, Run, RunToken
from experiments.services import reaping
from experiments.status import RunStatus
from mlportal.access.models import User, Workspace, digest_of, new_secret
from mlportal.access.services import create_workspace
from mlportal.errors import StaleState
from tests.api.conftest import Caller, Callers, error_of

pytestmark = pytest.mark.django_db
POINT = {"t": 1.0, "k": "scalar", "n": "loss", "v": 0.5}
WHO_MAY = [("owner", 201), ("contributor", 201), ("reader", 403), ("stranger", 404), ("nobody", 401)]


@pytest.fixture
def started(workspace: Workspace, owner: User) -> Run:
    """A run that olga's notebook runs."""
    return services.start_run(workspace, experiment="notebook", tags={"mood": "good", "a=b": "c"}, by=owner)


def token_of(run: Run) -> Caller:
    secret = new_secret(RunToken.PREFIX)
    RunToken.objects.create(run=run, digest=digest_of(secret))
    return Caller(secret)


@pytest.mark.parametrize(("role", "status"), WHO_MAY)
def test_who_may_start_one(callers: Callers, role: str, status: int) -> None:
    body = {"experiment": "notebook", "name": "by hand", "tags": {"a": "b", "flag": None}, "properties": {"p": "1"}}
    answer = callers[role].post("runs/start/", body)
    assert answer.status_code == status
    assert Run.objects.count() == Experiment.objects.count() == (1 if status == 201 else 0)
    if status != 201:
        error_of(answer)
        return
    run = answer.json()
    assert answer["Location"] == f"/api/v1/workspaces/lab/runs/{run['id']}/"
    assert (run["status"], run["client_side"], run["target"], run["snapshot"]) == ("Running", True, None, None)
    assert (run["number"], run["parent"], run["children_count"], run["last_logged_at"]) == (1, None, 0, None)
    assert (run["tags"], run["properties"]) == ({"a": "b", "flag": None}, {"p": "1"})
    assert run["started_at"] and not run["ended_at"]


@pytest.mark.parametrize("body", [{}, {"experiment": "../x"}, {"experiment": "x", "parent": "0" * 32},
                                  {"parent": "0" * 32}, {"experiment": "x", "properties": {"": "1"}}])  # fmt: skip
def test_what_cannot_be_started_leaves_nothing(callers: Callers, body: dict[str, Any]) -> None:
    answer = callers["owner"].post("runs/start/", body)
    assert answer.status_code == 400
    error_of(answer)
    assert not Run.objects.exists() and not Experiment.objects.exists()


def test_a_child_is_in_the_experiment_of_its_parent(callers: Callers, started: Run) -> None:
    child = callers["contributor"].post("runs/start/", {"parent": started.uid}).json()
    assert (child["parent"], child["experiment"], child["number"]) == (started.uid, "notebook", 2)
    other = callers["owner"].post("runs/start/", {"parent": started.uid, "experiment": "elsewhere"})
    assert other.status_code == 400 and error_of(other)["details"]["field"] == "experiment"
    assert callers["owner"].get(f"runs/{started.uid}/").json()["children_count"] == 1


def test_a_parent_of_another_workspace_is_not_known(callers: Callers, started: Run, owner: User) -> None:
    create_workspace("other", by=owner)
    answer = Caller(callers["owner"].headers["Authorization"].split()[1], "other").post(
        "runs/start/", {"parent": started.uid}
    )
    assert answer.status_code == 400 and error_of(answer)["details"]["field"] == "parent"
    assert Run.objects.count() == 1


def test_a_run_has_so_many_children_and_no_more(callers: Callers, started: Run, settings: Any) -> None:
    settings.RUN_CHILDREN = 2
    codes = [callers["owner"].post("runs/start/", {"parent": started.uid}).status_code for _ in range(3)]
    assert codes == [201, 201, 400]
    assert started.children.count() == 2


@pytest.mark.parametrize(
    ("asked", "failure"),
    [
        ({"status": "Completed"}, None),
        ({"status": "Canceled", "message": "enough"}, None),
        ({"status": "Failed", "message": "diverged", "code": "Nan"}, {"type": "Nan", "message": "diverged"}),
        ({"status": "Failed"}, {"type": "run.fail", "message": ""}),
    ],
)
def test_it_ends_as_its_client_says(callers: Callers, started: Run, asked: Any, failure: Any) -> None:
    answer = callers["owner"].post(f"runs/{started.uid}/finish/", asked)
    assert answer.status_code == 200
    run = answer.json()
    assert (run["status"], run["failure"]) == (asked["status"], failure)
    assert run["ended_at"]
    again = callers["owner"].post(f"runs/{started.uid}/finish/", {"status": "Completed"})
    assert again.status_code == 409
    assert callers["owner"].get(f"runs/{started.uid}/").json()["status"] == asked["status"]


@pytest.mark.parametrize("status", ["Running", "Queued", "completed", None])
def test_it_ends_in_no_other_way(callers: Callers, started: Run, status: Any) -> None:
    assert callers["owner"].post(f"runs/{started.uid}/finish/", {"status": status}).status_code == 400
    started.refresh_from_db()
    assert started.status == RunStatus.RUNNING


@pytest.mark.parametrize(
    ("role", "status"), [("contributor", 200), ("reader", 403), ("stranger", 404), ("nobody", 401)]
)
def test_who_may_finish_name_and_describe_it(callers: Callers, started: Run, role: str, status: int) -> None:
    path = f"runs/{started.uid}/"
    assert callers[role].patch(path, {"name": "better", "description": "because"}).status_code == status
    assert callers[role].post(f"{path}properties/", {"properties": {"p": "1"}}).status_code == status
    assert callers[role].post(f"{path}finish/", {"status": "Completed"}).status_code == status
    started.refresh_from_db()
    changed = (started.name, started.description, started.properties.count(), started.status)
    assert changed == (("better", "because", 1, "Completed") if status == 200 else ("", "", 0, "Running"))


def test_what_is_left_out_of_a_change_stays(callers: Callers, started: Run) -> None:
    callers["owner"].patch(f"runs/{started.uid}/", {"name": "one", "description": "two"})
    run = callers["owner"].patch(f"runs/{started.uid}/", {"description": ""}).json()
    assert (run["name"], run["description"]) == ("one", "")
    assert callers["owner"].patch(f"runs/{started.uid}/", {"status": "Completed"}).status_code == 400
    assert callers["owner"].patch(f"runs/{started.uid}/", {"name": "x" * 256}).status_code == 400


def test_a_property_is_written_once(callers: Callers, started: Run) -> None:
    path = f"runs/{started.uid}/properties/"
    assert callers["owner"].post(path, {"properties": {"a": "1", "b": "2"}}).status_code == 200
    refused = callers["owner"].post(path, {"properties": {"a": "other", "c": "3"}})
    assert refused.status_code == 409
    assert (error_of(refused)["code"], error_of(refused)["details"]["names"]) == ("exists", ["a"])
    same = callers["owner"].post(path, {"properties": {"a": "1", "c": "3"}})  # a client that asks again
    assert same.json()["properties"] == {"a": "1", "b": "2", "c": "3"}


def test_what_the_portal_executes_is_not_finished_by_clients(callers: Callers, running: Run, run_token: str) -> None:
    for caller in (callers["owner"], Caller(run_token)):
        assert caller.post(f"runs/{running.uid}/finish/", {"status": "Completed"}).status_code == 409
    running.refresh_from_db()
    assert running.status == RunStatus.RUNNING


def test_cancel_ends_it_at_once(callers: Callers, started: Run) -> None:
    assert callers["contributor"].post(f"runs/{started.uid}/cancel/").json()["status"] == "Canceled"


def test_no_worker_and_no_reaper_touches_it(started: Run) -> None:
    Run.objects.filter(pk=started.pk).update(started_at="2020-01-01T00:00Z", created_at="2020-01-01T00:00Z")
    before = Run.objects.filter(pk=started.pk).values().get()
    assert not Run.objects.without_a_living_worker().exists()
    reaping.reap()
    reaping.sweep()
    assert Run.objects.filter(pk=started.pk).values().get() == before


def test_it_says_when_it_last_logged(callers: Callers, started: Run) -> None:
    path = f"runs/{started.uid}/"
    assert callers["owner"].post(f"{path}metrics/", {"records": [POINT]}).status_code == 204
    first = callers["owner"].get(path).json()["last_logged_at"]
    callers["owner"].post(f"{path}metrics/", {"records": [POINT]})
    assert first and first < callers["owner"].get(path).json()["last_logged_at"]


# --- A running script


def test_a_script_starts_children_logs_to_them_and_finishes_them(running: Run, run_token: str) -> None:
    me = Caller(run_token)
    child = me.post("runs/start/", {"parent": running.uid, "name": "fold 1"}).json()
    grandchild = me.post("runs/start/", {"parent": child["id"]}).json()
    for made in (child, grandchild):
        path = f"runs/{made['id']}/"
        assert made["created_by"] == "olga"
        assert me.post(f"{path}metrics/", {"records": [POINT]}).status_code == 204
        assert me.get(f"{path}metrics/azure/").json() == {"loss": 0.5}
        assert me.patch(f"{path}tags/", {"set": {"fold": "1"}}).status_code == 200
        assert me.patch(path, {"name": "fold"}).status_code == 200
        assert me.post(f"{path}properties/", {"properties": {"p": "1"}}).status_code == 200
    rows = me.get("runs/", {"parent": running.uid}).json()["results"]
    assert [row["id"] for row in rows] == [child["id"]]
    assert len(me.get("runs/").json()["results"]) == 3
    for made in (grandchild, child):
        assert me.post(f"runs/{made['id']}/finish/", {"status": "Completed"}).json()["status"] == "Completed"


def test_a_script_reaches_neither_its_parent_nor_its_siblings(
    submit: Callable[..., Run], started: Run, owner: User, workspace: Workspace
) -> None:
    me = submit(parent=started)
    sibling = services.start_run(workspace, parent=started, by=owner)
    stranger = services.start_run(workspace, experiment="notebook", by=owner)
    caller = token_of(me)
    for other in (started, sibling, stranger):
        path = f"runs/{other.uid}/"
        assert caller.get(path).status_code == 404
        assert caller.patch(path, {"name": "mine"}).status_code == 404
        assert caller.post(f"{path}finish/", {"status": "Failed"}).status_code == 404
        assert caller.post(f"{path}properties/", {"properties": {"p": "1"}}).status_code == 404
        assert caller.post(f"{path}metrics/", {"records": [POINT]}).status_code == 404
        assert caller.post("runs/start/", {"parent": other.uid}).status_code == 400
    assert caller.post("runs/start/", {"experiment": "notebook"}).status_code == 403
    assert caller.get("runs/", {"parent": started.uid}).json()["results"] == [
        row for row in caller.get("runs/").json()["results"] if row["id"] == me.uid
    ]
    assert set(Run.objects.exclude(pk=me.pk)) == {started, sibling, stranger}
    assert not Run.objects.exclude(name="").exists() and not Run.objects.exclude(failure=None).exists()


def test_a_scripts_other_workspace_is_not_there(running: Run, run_token: str, owner: User) -> None:
    create_workspace("other", by=owner)
    answer = Caller(run_token, "other").post("runs/start/", {"parent": running.uid})
    assert answer.status_code == 404


def test_its_token_ends_with_the_run_and_not_with_its_children(running: Run, run_token: str) -> None:
    me = Caller(run_token)
    child = me.post("runs/start/", {"parent": running.uid}).json()
    me.post(f"runs/{child['id']}/finish/", {"status": "Completed"})
    assert me.get(f"runs/{running.uid}/").status_code == 200
    Run.objects.move(running, RunStatus.FAILED)
    assert me.get(f"runs/{child['id']}/").status_code == 401


# --- Lists


def test_runs_are_found_by_parent_tag_and_property(callers: Callers, started: Run, owner: User) -> None:
    workspace = started.workspace
    child = services.start_run(workspace, parent=started, tags={"mood": "bad", "flag": None}, by=owner)
    services.add_properties(child, {"kind": "fold"}, by=owner)

    def found(**query: Any) -> list[str]:
        return [row["id"] for row in callers["reader"].get("runs/", query).json()["results"]]

    assert found() == [child.uid, started.uid]
    assert found(parent=started.uid) == [child.uid]
    assert found(root="true") == [started.uid]
    assert found(root="false") == [child.uid]
    assert found(tag="mood") == [child.uid, started.uid]
    assert found(tag="mood=bad") == [child.uid]
    assert found(tag=["mood", "flag"]) == [child.uid]
    assert found(tag="a=b") == [started.uid]
    assert found(tag="flag=") == found(tag="mood=") == []
    assert found(property="kind=fold") == found(property="kind") == [child.uid]
    assert found(property="kind=other") == []


@pytest.mark.parametrize("query", [{"tag": ""}, {"tag": "a\0"}, {"tag": ["a"] * 21}, {"parent": "x" * 40}])
def test_filters_that_cannot_be_are_refused(callers: Callers, started: Run, query: dict[str, Any]) -> None:
    answer = callers["owner"].get("runs/", query)
    assert answer.status_code == 400
    error_of(answer)


def test_more_children_are_no_more_queries(callers: Callers, started: Run, owner: User) -> None:
    def queries() -> int:
        with CaptureQueriesContext(
            connection,
        ) as captured:
            callers["reader"].get("runs/")
        return len(captured)

    services.start_run(started.workspace, parent=started, by=owner)
    queries()
    before = queries()
    for _ in range(5):
        services.start_run(started.workspace, parent=started, by=owner)
    assert queries() == before


def test_one_whose_experiment_was_deleted_meanwhile(workspace: Workspace, owner: User) -> None:
    gone = Experiment.objects.create(workspace=workspace, name="gone")
    Experiment.objects.filter(pk=gone.pk).delete()
    with pytest.raises(StaleState, match="gone"):
        services.start_run(workspace, experiment=gone, tags={"a": "b"}, by=owner)
    assert not Run.objects.exists()
