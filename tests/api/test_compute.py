"""Compute targets over HTTP: a workspace's own, beside those that all share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from experiments import services
from experiments.models import ComputeTarget, Run
from experiments.services import compute
from experiments.status import RunStatus
from mlportal.access.models import User, Workspace
from mlportal.access.services import create_workspace
from tests.api.conftest import Caller, Callers, error_of

pytestmark = pytest.mark.django_db
ROLES = [("owner", True), ("contributor", True), ("reader", False), ("stranger", False), ("nobody", False)]


@pytest.fixture
def cluster(workspace: Workspace, owner: User, target: ComputeTarget) -> ComputeTarget:
    return services.create_target(workspace, "cluster", slots=2, by=owner)


@pytest.fixture
def other(owner: User) -> Workspace:
    return create_workspace("other", by=owner)


@pytest.mark.parametrize(("role", "may"), ROLES)
def test_who_may_make_one(callers: Callers, role: str, may: bool) -> None:
    answer = callers[role].post("compute/", {"name": "cluster", "slots": 4, "description": "four"})
    assert (answer.status_code == 201) is may
    assert ComputeTarget.objects.filter(name="cluster").exists() is may
    if may:
        made = answer.json()
        expected = {"name": "cluster", "slots": 4, "description": "four", "shared": False, "busy": 0, "waiting": 0}
        assert made == {**expected, "nodes": []}
        assert callers["reader"].get(answer["Location"]).json() == made
        assert callers["stranger"].get(answer["Location"]).status_code == 404


@pytest.mark.parametrize("body", [{}, {"name": "a"}, {"name": "-x"}, {"name": "a b"}, {"name": "ok", "slots": 0},
                                  {"name": "ok", "slots": 101}, {"name": "ok", "size": "big"}])  # fmt: skip
def test_what_cannot_be_is_refused(callers: Callers, body: dict[str, Any]) -> None:
    answer = callers["owner"].post("compute/", body)
    assert answer.status_code == 400
    error_of(answer)
    assert not ComputeTarget.objects.exists()


@pytest.mark.parametrize("name", ["cluster", "local"])
def test_a_name_that_the_workspace_can_use_is_taken(callers: Callers, cluster: ComputeTarget, name: str) -> None:
    answer = callers["owner"].post("compute/", {"name": name})
    assert (answer.status_code, error_of(answer)["code"]) == (409, "exists")
    assert ComputeTarget.objects.count() == 2


def test_another_workspace_has_a_target_of_the_same_name(
    callers: Callers, cluster: ComputeTarget, other: Workspace
) -> None:
    there = Caller(callers["owner"].headers["Authorization"].split()[1], "other")
    assert there.get("compute/cluster/").status_code == 404
    assert there.post("compute/", {"name": "cluster", "slots": 7}).status_code == 201
    assert callers["owner"].get("compute/cluster/").json()["slots"] == 2
    assert there.get("compute/cluster/").json()["slots"] == 7
    queues = {target.queue for target in ComputeTarget.objects.all()}
    assert queues == {"compute.local", "compute.lab.cluster", "compute.other.cluster"}


def test_a_workspace_has_so_many_and_no_more(callers: Callers, settings: Any) -> None:
    settings.COMPUTE_TARGETS = 1
    codes = [callers["owner"].post("compute/", {"name": name}).status_code for name in ("one", "two")]
    assert codes == [201, 400]


@pytest.mark.parametrize(("role", "may"), ROLES)
def test_who_may_change_and_delete_it(callers: Callers, cluster: ComputeTarget, role: str, may: bool) -> None:
    assert (callers[role].patch("compute/cluster/", {"slots": 3}).status_code == 200) is may
    cluster.refresh_from_db()
    assert cluster.slots == (3 if may else 2)
    assert (callers[role].delete("compute/cluster/").status_code == 204) is may
    cluster.refresh_from_db()
    assert bool(cluster.deleted_at) is may
    if may:
        assert callers[role].get("compute/cluster/").status_code == 404
        assert [row["name"] for row in callers[role].get("compute/").json()] == ["local"]


@pytest.mark.parametrize("role", ["owner", "contributor", "reader"])
def test_a_shared_one_is_not_the_members(callers: Callers, target: ComputeTarget, role: str) -> None:
    before = target.slots
    assert callers[role].patch("compute/local/", {"slots": before + 1}).status_code == 403
    assert callers[role].delete("compute/local/").status_code == 403
    target.refresh_from_db()
    assert (target.slots, target.deleted_at) == (before, None)


def test_it_is_not_deleted_while_a_run_goes_on(
    callers: Callers, cluster: ComputeTarget, submit: Callable[..., Run]
) -> None:
    run = submit(target="cluster")
    answer = callers["owner"].delete("compute/cluster/")
    assert (answer.status_code, error_of(answer)["details"]["runs"]) == (409, 1)
    Run.objects.move(run, RunStatus.CANCELED)
    assert callers["owner"].delete("compute/cluster/").status_code == 204


def test_a_run_of_the_past_goes_on_naming_it(
    callers: Callers, cluster: ComputeTarget, submit: Callable[..., Run]
) -> None:
    run = submit(target="cluster")
    Run.objects.move(run, RunStatus.CANCELED)
    callers["owner"].delete("compute/cluster/")
    shown = callers["reader"].get(f"runs/{run.uid}/").json()
    assert (shown["target"], shown["client_side"]) == ("cluster", False)
    refused = callers["owner"].post(f"runs/{run.uid}/rerun/")
    assert refused.status_code == 400 and "local" in error_of(refused)["message"]
    assert callers["owner"].post("compute/", {"name": "cluster"}).status_code == 201
    assert callers["owner"].post(f"runs/{run.uid}/rerun/").json()["target"] == "cluster"


def test_what_is_deleted_in_between_takes_no_run(cluster: ComputeTarget, owner: User) -> None:
    services.delete_target(cluster, by=owner)
    with pytest.raises(Exception, match="deleted meanwhile"):
        compute.refuse_deleted(cluster)


def test_more_slots_wake_those_that_wait(
    cluster: ComputeTarget, submit: Callable[..., Run], owner: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    woken: list[str] = []
    for _ in range(2):
        run = submit(target="cluster")
        Run.objects.move(run, RunStatus.PREPARING)
        Run.objects.move(run, RunStatus.QUEUED)
    monkeypatch.setattr("experiments.services.targets.dispatch.wake_target", lambda target: woken.append(target.name))
    services.update_target(cluster, slots=1, by=owner)
    assert woken == []
    services.update_target(cluster, slots=10, by=owner)
    assert woken == ["cluster", "cluster"]


def test_a_worker_serves_what_it_was_told(cluster: ComputeTarget, other: Workspace, owner: User) -> None:
    services.create_target(other, "cluster", by=owner)

    def names(*told: str) -> list[str]:
        return sorted(target.full_name for target in compute.served(told or None))

    assert names() == ["lab/cluster", "local", "other/cluster"]
    assert names("local") == ["local"]
    assert names("cluster") == ["lab/cluster", "other/cluster"]
    assert names("lab/cluster", "missing") == ["lab/cluster"]
    services.delete_target(cluster, by=owner)
    assert names() == ["local", "other/cluster"]
