"""Experiments over HTTP: made, described, archived, restored, deleted."""

from __future__ import annotations

from typing import Any

import pytest

from experiments import services
from experiments.models import Experiment, Run
from mlportal.access.models import AuditEvent, User, Workspace
from tests.api.conftest import Callers, error_of

pytestmark = pytest.mark.django_db
ROLES = [("owner", True), ("contributor", True), ("reader", False), ("stranger", False), ("nobody", False)]


@pytest.fixture
def empty(workspace: Workspace, owner: User) -> Experiment:
    """`plans`, which has no runs."""
    return services.create_experiment(workspace, "plans", description="to do", tags={"team": "blue"}, by=owner)[0]


@pytest.mark.parametrize(("role", "may"), ROLES)
def test_who_may_make_one(callers: Callers, role: str, may: bool) -> None:
    answer = callers[role].post("experiments/", {"name": "plans", "description": "to do", "tags": {"a": None}})
    assert (answer.status_code == 201) is may
    assert Experiment.objects.filter(name="plans").exists() is may
    if may:
        made = answer.json()
        assert (made["description"], made["tags"], made["runs"]) == ("to do", {"a": None}, 0)
        assert callers[role].get(answer["Location"]).json() == made


def test_one_that_is_there_stays_as_it_is(callers: Callers, empty: Experiment) -> None:
    answer = callers["contributor"].post("experiments/", {"name": "plans", "description": "other"})
    assert (answer.status_code, answer.json()["description"]) == (200, "to do")
    assert Experiment.objects.count() == 1


@pytest.mark.parametrize("body", [{"name": "../x"}, {"name": ""}, {}, {"name": "x", "tags": {"": "1"}},
                                  {"name": "x", "tags": {str(i): "" for i in range(101)}}])  # fmt: skip
def test_what_cannot_be_is_refused(callers: Callers, body: dict[str, Any]) -> None:
    answer = callers["owner"].post("experiments/", body)
    assert answer.status_code == 400
    error_of(answer)
    assert not Experiment.objects.exists()


@pytest.mark.parametrize(("role", "may"), ROLES)
def test_who_may_change_archive_and_restore(callers: Callers, empty: Experiment, role: str, may: bool) -> None:
    me = callers[role]
    change = {"description": "done", "tags": {"who": "carl"}, "remove_tags": ["team"]}
    assert (me.patch("experiments/plans/", change).status_code == 200) is may
    assert (me.post("experiments/plans/archive/").status_code == 200) is may
    empty.refresh_from_db()
    assert (empty.description, empty.tags) == (("done", {"who": "carl"}) if may else ("to do", {"team": "blue"}))
    assert bool(empty.archived_at) is may
    assert (me.post("experiments/plans/restore/").status_code == 200) is may
    empty.refresh_from_db()
    assert empty.archived_at is None


def test_what_is_left_out_of_a_change_stays(callers: Callers, empty: Experiment) -> None:
    changed = callers["owner"].patch("experiments/plans/", {"tags": {"a": "1"}}).json()
    assert (changed["description"], changed["tags"]) == ("to do", {"team": "blue", "a": "1"})


def test_the_list_has_those_that_are_not_archived(callers: Callers, empty: Experiment, run: Run) -> None:
    callers["owner"].post("experiments/plans/archive/")
    callers["owner"].post("experiments/plans/archive/")  # again changes nothing

    def names(**query: str) -> list[str]:
        return [row["name"] for row in callers["reader"].get("experiments/", query).json()["results"]]

    assert names() == names(archived="false") == names(archived="") == ["trials"]
    assert names(archived="true") == ["plans"]
    assert sorted(names(archived="all")) == ["plans", "trials"]
    assert names(search="PLA", archived="all") == ["plans"]
    assert callers["reader"].get("experiments/", {"archived": "perhaps"}).status_code == 400
    assert AuditEvent.objects.filter(action="experiment.archive").count() == 1


def test_a_run_brings_an_archived_one_back(callers: Callers, empty: Experiment) -> None:
    callers["owner"].post("experiments/plans/archive/")
    callers["owner"].post("runs/start/", {"experiment": "plans"})
    empty.refresh_from_db()
    assert empty.archived_at is None


@pytest.mark.parametrize(("role", "may"), ROLES)
def test_who_may_delete_an_empty_one(callers: Callers, empty: Experiment, role: str, may: bool) -> None:
    assert (callers[role].delete("experiments/plans/").status_code == 204) is may
    assert Experiment.objects.exists() is not may


def test_one_with_runs_is_not_deleted(callers: Callers, run: Run) -> None:
    answer = callers["owner"].delete("experiments/trials/")
    assert answer.status_code == 409
    assert error_of(answer)["details"]["runs"] == 1
    assert Run.objects.filter(pk=run.pk).exists()
