import io
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from experiments.models import EnvironmentVersion, Run, Snapshot
from experiments.services import logs, metrics
from experiments.services.snapshots import take_files
from experiments.status import RunStatus
from mlportal.access.models import User
from mlportal.access.services import create_workspace
from tests.api.conftest import Caller, Callers, error_of

pytestmark = pytest.mark.django_db


def asked(code: Snapshot, **more: Any) -> dict[str, Any]:
    body = {"experiment": "iris", "snapshot": code.uid, "environment": {"name": "tiny"}, "script": "train.py"}
    return {**body, **more}


@pytest.fixture
def ready(snapshot: Snapshot, version: EnvironmentVersion, target: Any) -> Snapshot:
    """All that a submission names is there."""
    return snapshot


@pytest.mark.parametrize(
    ("role", "status"), [("owner", 201), ("contributor", 201), ("reader", 403), ("stranger", 404), ("nobody", 401)]
)
def test_who_may_submit(callers: Callers, ready: Snapshot, role: str, status: int) -> None:
    answer = callers[role].post("runs/", asked(ready, arguments=["--kernel", "rbf"], tags={"a": "b"}))
    assert answer.status_code == status
    assert Run.objects.count() == (1 if status == 201 else 0)
    if status == 201:
        made = answer.json()
        assert answer["Location"] == f"/api/v1/workspaces/lab/runs/{made['id']}/"
        assert made["arguments"] == ["--kernel", "rbf"]
        assert made["environment"] == {"name": "tiny", "version": 1}
        assert made["tags"] == {"a": "b"}
        assert [phase["name"] for phase in made["phases"]] == ["Preparing", "Scaling", "Running", "Post-processing"]
        assert callers[role].get(answer["Location"]).json()["id"] == made["id"]
    else:
        error_of(answer)


@pytest.mark.parametrize("reference", ["tiny", "tiny:1", {"name": "tiny"}, {"name": "tiny", "version": 1}])
def test_an_environment_is_named_in_each_way(callers: Callers, ready: Snapshot, reference: Any) -> None:
    made = callers["owner"].post("runs/", asked(ready, environment=reference)).json()
    assert made["environment"] == {"name": "tiny", "version": 1}


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"environment": "missing"}, "environment"),
        ({"environment": {"name": "tiny", "version": 7}}, "environment"),
        ({"snapshot": "0" * 32}, "snapshot"),
        ({"script": "other.py"}, "script"),
        ({"target": "moon"}, "target"),
        ({"experiment": "../x"}, "experiment"),
        ({"environment_variables": {"MLPORTAL_URL": "x"}}, "environment_variables"),
    ],
)
def test_what_cannot_be_is_named(callers: Callers, ready: Snapshot, change: Any, field: str) -> None:
    answer = callers["owner"].post("runs/", asked(ready, **change))
    assert answer.status_code == 400
    assert error_of(answer)["details"]["field"] == field
    assert not Run.objects.exists()


@pytest.mark.parametrize(
    "change",
    [{"sript": "train.py"}, {"arguments": "--a"}, {"tags": {"": "x"}}, {"tags": {"a\0": "x"}}, {"wall_seconds": 0}],
)
def test_a_body_that_is_not_the_form_is_refused(callers: Callers, ready: Snapshot, change: Any) -> None:
    answer = callers["owner"].post("runs/", asked(ready, **change))
    assert answer.status_code == 400
    assert next(iter(change)) in error_of(answer)["details"]["fields"]


@pytest.mark.parametrize("role", ["owner", "contributor", "reader"])
def test_members_see_runs(callers: Callers, run: Run, role: str) -> None:
    rows = callers[role].get("runs/").json()["results"]
    assert [row["id"] for row in rows] == [run.uid]
    assert callers[role].get(f"runs/{run.uid}/").json()["status_label"] == "Not started"


@pytest.mark.parametrize(("role", "status"), [("stranger", 404), ("nobody", 401)])
def test_others_do_not(callers: Callers, run: Run, role: str, status: int) -> None:
    for path in ("runs/", f"runs/{run.uid}/", f"runs/{run.uid}/events/"):
        answer = callers[role].get(path)
        assert answer.status_code == status
        error_of(answer)


def test_a_run_is_found_in_its_own_workspace_only(callers: Callers, run: Run, owner: Any) -> None:
    from mlportal.access.services import create_workspace

    create_workspace("other", by=owner)
    assert callers["owner"].get(f"/api/v1/workspaces/other/runs/{run.uid}/").status_code == 404


def test_runs_are_filtered(callers: Callers, submit: Callable[..., Run], contributor: Any) -> None:
    submit(experiment="one", name="first try")
    submit(experiment="two", by=contributor)

    def found(**query: Any) -> list[str]:
        return [row["experiment"] for row in callers["reader"].get("runs/", query).json()["results"]]

    assert found() == ["two", "one"]
    assert found(experiment="one") == ["one"]
    assert found(created_by="carl") == ["two"]
    assert found(search="TRY") == ["one"]
    assert found(status=["NotStarted", "Failed"]) == ["two", "one"]
    assert found(status="Failed") == []


@pytest.mark.parametrize(
    "query",
    [{"owner__password": "x"}, {"created_by__password__startswith": "x"}, {"status": "Gone"}, {"page_size": "0"},
     {"page_size": "501"}, {"cursor": "x"}, {"cursor": "cD14"}, {"experiment": "a\0"}],
)  # fmt: skip
def test_unknown_or_impossible_filters_are_refused(callers: Callers, run: Run, query: dict[str, str]) -> None:
    answer = callers["owner"].get("runs/", query)
    assert answer.status_code == 400
    error_of(answer)


def test_pages_follow_each_other(callers: Callers, submit: Callable[..., Run]) -> None:
    uids = [submit().uid for _ in range(5)]
    seen: list[str] = []
    url: str | None = "runs/?page_size=2"
    while url:
        page = callers["owner"].get(url.removeprefix("http://testserver")).json()
        seen += [row["id"] for row in page["results"]]
        url = page["next"]
    assert seen == uids[::-1]


def test_more_rows_are_no_more_queries(
    callers: Callers, submit: Callable[..., Run], django_assert_num_queries: Any
) -> None:
    submit(tags={"a": "b"})
    callers["owner"].get("runs/")  # notes the token's use once
    with CaptureQueriesContext(connection) as one:
        assert len(callers["owner"].get("runs/").json()["results"]) == 1
    for _ in range(6):
        submit(tags={"a": "b", "c": "d"})
    with django_assert_num_queries(len(one)):
        assert len(callers["owner"].get("runs/").json()["results"]) == 7


def test_a_collection_shows_the_first_metrics_of_each_run_and_the_run_all(
    callers: Callers, submit: Callable[..., Run]
) -> None:
    for run in (submit(), submit()):
        points = [{"t": 1.0, "k": "scalar", "n": f"m{number:03}", "v": number, "s": 0} for number in range(130)]
        metrics.ingest(run, points)
    with CaptureQueriesContext(connection) as queries:
        rows = callers["owner"].get("runs/").json()["results"]
    first = [f"m{number:03}" for number in range(100)]
    assert [list(row["metrics"]) for row in rows] == [first, first]
    assert sum("experiments_metric" in query["sql"] for query in queries) == 1
    whole = callers["owner"].get(f"runs/{run.uid}/").json()
    assert (len(whole["metrics"]), whole["metrics"]["m129"], whole["warnings"]) == (130, 129.0, [])


@pytest.mark.parametrize(("role", "status"), [("owner", 202), ("contributor", 202), ("reader", 403), ("stranger", 404)])
def test_who_may_cancel(callers: Callers, run: Run, role: str, status: int) -> None:
    answer = callers[role].post(f"runs/{run.uid}/cancel/")
    assert answer.status_code == status
    run.refresh_from_db()
    assert run.status == (RunStatus.CANCELED if status == 202 else RunStatus.NOT_STARTED)


def test_canceling_a_final_run_is_a_conflict(callers: Callers, run: Run) -> None:
    callers["owner"].post(f"runs/{run.uid}/cancel/")
    answer = callers["owner"].post(f"runs/{run.uid}/cancel/")
    assert answer.status_code == 409
    assert error_of(answer)["code"] == "conflict"


@pytest.mark.parametrize(("role", "status"), [("contributor", 201), ("reader", 403), ("stranger", 404)])
def test_who_may_run_again(callers: Callers, run: Run, role: str, status: int) -> None:
    answer = callers[role].post(f"runs/{run.uid}/rerun/")
    assert answer.status_code == status
    if status == 201:
        assert answer.json()["rerun_of"] == run.uid
        assert answer["Location"].endswith(f"/runs/{answer.json()['id']}/")
    assert Run.objects.count() == (2 if status == 201 else 1)


def test_running_again_as_of_a_day(callers: Callers, run: Run) -> None:
    again = callers["owner"].post(f"runs/{run.uid}/rerun/", {"as_of": "2020-07-24"}).json()
    assert again["environment"] == {"name": "tiny", "version": 2}


@pytest.mark.parametrize(("role", "status"), [("contributor", 200), ("reader", 403), ("stranger", 404)])
def test_who_may_tag(callers: Callers, run: Run, role: str, status: int) -> None:
    answer = callers[role].patch(f"runs/{run.uid}/tags/", {"set": {"a": "b", "flag": None}, "remove": ["team"]})
    assert answer.status_code == status
    wanted = {"a": "b", "flag": None} if status == 200 else {"team": "blue"}
    assert {tag.name: tag.value for tag in run.tags.all()} == wanted


def test_events_tell_the_way(callers: Callers, running: Run) -> None:
    events = callers["reader"].get(f"runs/{running.uid}/events/").json()
    assert [event["new"] for event in events] == ["NotStarted", "Preparing", "Queued", "Running"]
    assert events[0]["actor"] == "olga"


def test_a_runs_token_opens_its_run_to_look_at_log_and_tag(running: Run, run_token: str) -> None:
    me, path = Caller(run_token), f"runs/{running.uid}/"
    assert me.get(path).json()["id"] == running.uid
    assert me.patch(f"{path}tags/", {"set": {"from": "script"}}).status_code == 200
    assert me.post(f"{path}metrics/", {"records": [{"t": 1.0, "k": "scalar", "n": "x", "v": 2}]}).status_code == 204
    assert [row["name"] for row in me.get(f"{path}logs/").json()] == [logs.STDOUT]
    assert me.get(f"{path}logs/content/", {"name": logs.STDOUT}).content == "größer\n".encode()
    assert me.get(f"{path}artifacts/").json()["results"] == []


def test_a_runs_token_opens_nothing_else(running: Run, run_token: str, submit: Callable[..., Run]) -> None:
    me, path, other = Caller(run_token), f"runs/{running.uid}/", submit()
    for refused in ("/api/v1/me/", "/api/v1/tokens/", "/api/v1/workspaces/", "", f"{path}events/",
                    f"{path}stream/", "members/", "compute/"):  # fmt: skip
        answer = me.get(refused)
        assert answer.status_code == 403, refused
        assert error_of(answer)["message"].startswith("A run's token opens that run and its children"), refused
    for refused in (f"{path}cancel/", f"{path}rerun/", "runs/", "environments/", "/api/v1/tokens/"):
        assert me.post(refused).status_code == 403, refused
    assert [row["id"] for row in me.get("runs/").json()["results"]] == [running.uid]
    assert me.get(f"runs/{other.uid}/").status_code == 404
    for there in ("metrics/", "logs/", "artifacts/"):
        assert me.get(f"runs/{other.uid}/{there}").status_code == 404
    assert me.patch(f"runs/{other.uid}/tags/", {"set": {"a": "b"}}).status_code == 404
    assert other.tags.count() == 0


def test_a_runs_token_reads_environments_and_its_own_code(running: Run, run_token: str, owner: User) -> None:
    me = Caller(run_token)
    used = running.environment_version
    assert used is not None and running.snapshot is not None
    versions = f"environments/{used.environment.name}/versions/"
    assert [row["name"] for row in me.get("environments/").json()["results"]] == [used.environment.name]
    for there in (f"environments/{used.environment.name}/", versions, f"{versions}{used.version}/"):
        assert me.get(there).status_code == 200, there
    assert me.get(f"snapshots/{running.snapshot.uid}/archive/").status_code == 200
    other = take_files(running.workspace, [("other.py", io.BytesIO(b"1"))], by=owner).snapshot
    assert me.get(f"snapshots/{other.uid}/").status_code == 404
    assert me.post(f"{versions}{used.version}/build/").status_code == 403
    create_workspace("elsewhere", by=owner)
    assert Caller(run_token, "elsewhere").get("environments/").status_code == 404


def test_a_runs_token_ends_with_the_run(running: Run, run_token: str) -> None:
    Run.objects.move(running, RunStatus.FAILED)
    assert Caller(run_token).get(f"runs/{running.uid}/").status_code == 401
