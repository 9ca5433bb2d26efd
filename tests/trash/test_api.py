"""The trash and the rules over HTTP."""

from __future__ import annotations

from typing import Any

import pytest

from experiments import services
from experiments.models import Purge, RetentionRule, Run
from experiments.services import purging
from mlportal.access.models import User, Workspace
from models_registry.services import register_model
from tests.api.conftest import Callers, callers, error_of
from tests.trash.conftest import MakeRun, trashed

__all__ = ["callers"]
pytestmark = pytest.mark.django_db
ROLES = ["owner", "contributor", "reader", "stranger", "nobody"]
REFUSED = {"reader": 403, "stranger": 404, "nobody": 401}


@pytest.mark.parametrize("role", ROLES)
def test_who_may_throw_away_and_bring_back(callers: Callers, make_run: MakeRun, role: str) -> None:
    parent = make_run()
    child = make_run(parent=parent)
    may = role in ("owner", "contributor")
    answer = callers[role].post("trash/", {"runs": [parent.uid]})
    assert answer.status_code == (200 if may else REFUSED[role])
    assert Run.objects.trashed().count() == (2 if may else 0)
    if may:
        assert answer.json() == {"runs": 2}
    trashed(parent, User.objects.get(username="olga"))
    answer = callers[role].post("trash/restore/", {"runs": [child.uid]})
    assert answer.status_code == (200 if may else REFUSED[role])
    assert Run.objects.trashed().count() == (0 if may else 2)


def test_what_is_in_the_trash_is_told(callers: Callers, make_run: MakeRun, contributor: User) -> None:
    parent = make_run(files={"outputs/a": b"a" * 10})
    make_run(parent=parent, files={"outputs/a": b"a" * 10, "outputs/b": b"b" * 5})
    other, _ = trashed(make_run("wine"), contributor), make_run()
    trashed(parent, contributor)
    rows = callers["reader"].get("trash/").json()["results"]
    assert [(row["id"], row["children"], row["freed_bytes"]) for row in rows] == [
        (other.uid, 0, 0),
        (parent.uid, 1, 15),
    ]
    assert (rows[1]["deleted_by"], rows[1]["deleted_why"]) == ("carl", "")
    assert rows[1]["purge_at"] > rows[1]["deleted_at"]
    assert callers["reader"].get("storage/").json()["trash"] == 15
    assert callers["stranger"].get("trash/").status_code == 404


def test_more_runs_are_no_more_queries(
    callers: Callers, make_run: MakeRun, owner: User, django_assert_max_num_queries: Any
) -> None:
    for n in range(30):
        parent = make_run(files={"outputs/a": b"%d" % n})
        make_run(parent=parent)
        trashed(parent, owner)
    with django_assert_max_num_queries(15):
        assert len(callers["reader"].get("trash/").json()["results"]) == 30


def test_experiments_come_and_go_by_name(callers: Callers, make_run: MakeRun, owner: User) -> None:
    run = make_run("team/churn 50 %")
    services.trash_experiment(run.experiment, by=owner)
    (row,) = callers["reader"].get("trash/experiments/").json()
    assert (row["name"], row["runs"], row["deleted_by"]) == ("team/churn 50 %", 1, "olga")
    assert callers["contributor"].post("trash/restore/", {"experiments": [row["name"]]}).json() == {"runs": 1}
    assert callers["reader"].get("trash/experiments/").json() == []


@pytest.mark.parametrize("role", ROLES)
def test_who_may_delete_for_good(callers: Callers, make_run: MakeRun, owner: User, role: str) -> None:
    run = trashed(make_run(files={"outputs/a": b"a" * 10}), owner)
    may = role == "owner"
    for body in ({"runs": [run.uid], "dry_run": True}, {"runs": [run.uid]}):
        expected = (200 if "dry_run" in body else 202) if may else REFUSED.get(role, 403)
        answer = callers[role].post("trash/purges/", body)
        assert answer.status_code == expected
        assert Purge.objects.exists() is (may and "dry_run" not in body)
    if may:
        assert callers["reader"].get(f"runs/{run.uid}/").status_code == 404
        purging.resume()
        told = callers["reader"].get(answer["Location"]).json()
        assert (told["runs"], told["freed_bytes"], told["later_bytes"], told["by"]) == (1, 10, 0, "olga")
        assert [row["id"] for row in callers["reader"].get("trash/purges/").json()["results"]] == [told["id"]]
        assert callers["stranger"].get(answer["Location"]).status_code == 404
    else:
        assert Run.objects.trashed().get() == run


def test_a_dry_run_tells_what_goes_and_what_stays(callers: Callers, make_run: MakeRun, owner: User) -> None:
    run = make_run(files={"outputs/model.joblib": b"m" * 10, "outputs/b": b"b" * 7})
    register_model(run, name="iris", path="outputs/model.joblib", by=owner)
    goes_on = make_run(status="Running", ended_at=None)
    trashed(run, owner), trashed(goes_on, owner)
    told = callers["owner"].post("trash/purges/", {"everything": True, "dry_run": True}).json()
    assert (told["runs"], told["freed_bytes"], told["models"], told["experiments"]) == (1, 7, ["iris:1"], [])
    (staying,) = told["staying"]
    assert staying["run"] == goes_on.uid and "cancel it" in staying["why"]
    assert error_of(callers["owner"].post("trash/purges/", {"runs": [goes_on.uid]}))["code"] == "not_ended"


@pytest.mark.parametrize("body", [{}, {"runs": []}, {"runs": ["x"]}, {"runs": ["0" * 32]}, {"experiments": ["no"]},
                                  {"runs": "a"}, {"everything": "perhaps"}, {"all": True}])  # fmt: skip
def test_what_cannot_be_is_refused(callers: Callers, workspace: Workspace, body: dict[str, Any]) -> None:
    for path in ("trash/", "trash/restore/", "trash/purges/"):
        if path == "trash/restore/" and body in ({}, {"runs": []}):
            continue
        answer = callers["owner"].post(path, body)
        assert answer.status_code == 400
        error_of(answer)


@pytest.mark.parametrize("role", ROLES)
def test_who_may_make_change_apply_and_delete_rules(callers: Callers, make_run: MakeRun, role: str) -> None:
    run, me, may = make_run(days=50), callers[role], role == "owner"
    refused = REFUSED.get(role, 403)
    wish = {"older_than_days": 10, "experiment": "iris"}
    assert me.post("retention/preview/", wish).status_code == (200 if may else refused)
    answer = me.post("retention/", wish)
    assert answer.status_code == (201 if may else refused)
    if not may:
        owner = User.objects.get(username="olga")
        services.set_rule(run.workspace, experiment=run.experiment, older_than_days=10, by=owner)
    rule = RetentionRule.objects.get()
    path = f"retention/{rule.pk}/"
    sees = role not in ("stranger", "nobody")
    assert me.get(path).status_code == me.get(f"{path}preview/").status_code == (200 if sees else refused)
    assert me.patch(path, {"enabled": True}).status_code == (200 if may else refused)
    assert me.post(f"{path}apply/").status_code == (200 if may else refused)
    assert Run.objects.trashed().exists() is may
    assert me.delete(path).status_code == (204 if may else refused)
    assert RetentionRule.objects.exists() is not may


def test_a_rule_says_what_it_does(callers: Callers, make_run: MakeRun) -> None:
    for value in (1, 2, 3):
        make_run(days=50, metrics={"acc": value}, files={"outputs/m": b"m" * value})
    wish = {"older_than_days": 1, "keep_best": 1, "metric": "acc", "purge_days": 0}
    told = callers["owner"].post("retention/preview/", wish).json()
    assert told == {"runs": 2, "freed_bytes": 3, "looked_at": 3, "kept": {"best": 1}, "notes": []}
    rule = RetentionRule(workspace=Workspace.objects.get(name="lab"))
    for metric, end in (("val_loss", "lowest"), ("acc", "highest")):
        assert end in services.as_words(services.clean_rule(rule, keep_best=1, metric=metric))
    made = callers["owner"].post("retention/", wish).json()
    assert (made["enabled"], made["experiment"], made["keep_tag"], made["direction"]) == (False, None, "keep", "max")
    assert made["words"] == (
        "Finished runs that ended more than 1 day ago go to the trash, but for the 1 with the highest acc of each "
        "experiment; the trash keeps runs for ever."
    )
    assert callers["reader"].get("retention/").json()["results"] == [made]
    assert error_of(callers["owner"].post("retention/", wish))["code"] == "exists"


@pytest.mark.parametrize("body", [{}, {"older_than_days": -1}, {"older_than_days": 1e9}, {"keep_best": 1}, {"keep_best": 0},
                                  {"older_than_days": 1, "direction": "up"}, {"older_than_days": 1, "metric": "\0"},
                                  {"older_than_days": 1, "experiment": "none"}, {"days": 3}])  # fmt: skip
def test_a_rule_that_cannot_be_is_refused(callers: Callers, make_run: MakeRun, body: dict[str, Any]) -> None:
    make_run(days=50)
    for path in ("retention/", "retention/preview/"):
        answer = callers["owner"].post(path, body)
        assert answer.status_code == 400
        error_of(answer)
    assert not RetentionRule.objects.exists() and not Run.objects.trashed().exists()
