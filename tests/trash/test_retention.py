"""Rules: what they take, what they never take, and that they say so before."""

from __future__ import annotations

from typing import Any

import pytest
from django.utils import timezone

from experiments import services
from experiments.models import RetentionRule, Run
from experiments.services import retention
from mlportal.access.models import AuditEvent, User, Workspace
from mlportal.errors import BadInput, Conflict, NotAllowed
from models_registry.services import register_model
from tests.trash.conftest import MakeRun

pytestmark = pytest.mark.django_db


@pytest.fixture
def rule(workspace: Workspace, owner: User) -> Any:
    def make(**wish: Any) -> RetentionRule:
        return services.set_rule(workspace, **{"enabled": True, **wish}, by=owner)

    return make


def gone() -> set[int]:
    return set(Run.objects.trashed().values_list("pk", flat=True))


def test_finished_runs_of_an_age_go(make_run: MakeRun, rule: Any) -> None:
    old, _, _ = make_run(days=91), make_run(days=89), make_run(days=100, status="Running", ended_at=None)
    asked = rule(older_than_days=90)
    told = services.preview(asked)
    assert (told.runs, told.looked_at, told.kept) == ([old.pk], 2, {"young": 1})
    retention.apply_all()
    assert gone() == {old.pk}
    old.refresh_from_db()
    assert (old.deleted_by, old.deleted_why) == (None, "by the rule of lab")
    asked.refresh_from_db()
    assert asked.applied_at and asked.applied_runs == 1
    line = AuditEvent.objects.get(action="retention.apply")
    assert (line.actor, line.details["runs"]) == (None, 1) and "90 days" in line.details["rule"]
    retention.apply_all()  # nothing is left, and nothing is told
    assert AuditEvent.objects.filter(action="retention.apply").count() == 1


def test_bytes_that_only_the_trash_shares_count_as_freed(make_run: MakeRun, rule: Any, owner: User) -> None:
    first, second = (make_run(days=50, files={"outputs/a": b"a" * 10}) for _ in range(2))
    make_run(files={"outputs/b": b"b" * 5})
    make_run(days=50, files={"outputs/b": b"b" * 5})
    services.trash_run(first, by=owner)
    told = services.preview(rule(older_than_days=10))
    assert (second.pk in told.runs, len(told.runs), told.freed_bytes) == (True, 2, 10)


@pytest.mark.parametrize(("direction", "expected"), [("max", {2, 3}), ("min", {0, 1})])
def test_the_best_of_each_experiment_stay(make_run: MakeRun, rule: Any, direction: str, expected: set[int]) -> None:
    runs = [make_run(metrics={"acc": value}) for value in (0.1, 0.2, 0.8, 0.9)]
    without, never = make_run(), make_run(metrics={"acc": None})  # NaN
    other = make_run("wine", metrics={"acc": 0.01})
    services.apply_rule(rule(keep_best=2, metric="acc", direction=direction))
    kept = {runs[n].pk for n in expected} | {other.pk}
    assert set(Run.objects.kept().values_list("pk", flat=True)) == kept
    assert {without.pk, never.pk} <= gone()


def test_a_misspelt_metric_takes_nothing(make_run: MakeRun, rule: Any) -> None:
    make_run(metrics={"acc": 0.1}), make_run(metrics={"acc": 0.2})
    told = services.preview(rule(keep_best=1, metric="accuracy"))
    assert told.runs == []
    assert told.notes == ["No finished run has logged accuracy in iris; nothing goes there."]


def test_age_and_the_best_together(make_run: MakeRun, rule: Any) -> None:
    best, young, worst = (
        make_run(days=50, metrics={"acc": 0.9}), make_run(metrics={"acc": 0.1}), make_run(days=50, metrics={"acc": 0.5}),
    )  # fmt: skip
    services.apply_rule(rule(older_than_days=10, keep_best=1, metric="acc"))
    assert gone() == {worst.pk} and {best.pk, young.pk}.isdisjoint(gone())


def test_what_is_registered_tagged_or_above_such_a_run_stays(make_run: MakeRun, rule: Any, owner: User) -> None:
    model = make_run(days=9, files={"outputs/model.joblib": b"m"})
    register_model(model, name="iris", path="outputs/model.joblib", by=owner)
    tagged = make_run(days=9, tags=("gold",))
    of_tagged = make_run(days=9, parent=tagged)
    top = make_run(days=9)
    between = make_run(days=9, parent=top)
    young = make_run(days=0, parent=between)
    cousin = make_run(days=9, parent=top)
    asked = rule(older_than_days=5, keep_tag="gold")
    assert services.preview(asked).kept == {"young": 1, "registered": 1, "tagged": 2, "related": 2}
    assert services.apply_rule(asked) == 1
    assert gone() == {cousin.pk}
    assert {run.pk for run in (model, tagged, of_tagged, top, between, young)}.isdisjoint(gone())


def test_what_was_tagged_or_registered_since_it_was_chosen_stays(make_run: MakeRun, rule: Any, owner: User) -> None:
    tagged, parent = make_run(days=9), make_run(days=9)
    plain = make_run(days=9)
    asked = rule(older_than_days=5)
    chosen = services.preview(asked).runs
    services.set_tags(tagged, {"keep": None}, by=owner)
    make_run(parent=parent)
    assert retention._move(asked, chosen, timezone.now()) == 1
    assert gone() == {plain.pk}


def test_what_went_together_comes_back_together(
    make_run: MakeRun, rule: Any, owner: User, few_parameters: None
) -> None:
    parent = make_run(days=9)
    for _ in range(retention.AT_ONCE + 10):
        make_run(days=9, parent=parent)
    assert services.apply_rule(rule(older_than_days=5)) == retention.AT_ONCE + 11
    parent.refresh_from_db()
    services.untrash_run(parent, by=owner)
    assert gone() == set()


def test_an_experiments_own_rule_stands_in_for_that_of_the_workspace(make_run: MakeRun, rule: Any, owner: User) -> None:
    iris, wine = make_run("iris", days=50), make_run("wine", days=50)
    whole = rule(older_than_days=10)
    own = rule(experiment=wine.experiment, older_than_days=100)
    assert services.preview(whole).runs == [iris.pk]
    services.update_rule(own, enabled=False, by=owner)
    assert services.preview(whole).runs == [wine.pk, iris.pk]


def test_a_rule_that_is_off_does_nothing(make_run: MakeRun, workspace: Workspace, owner: User) -> None:
    make_run(days=50)
    asked = services.set_rule(workspace, older_than_days=10, by=owner)
    assert not asked.enabled
    retention.apply_all()
    assert gone() == set() and services.preview(asked).runs


def test_there_is_one_rule_for_each_place(workspace: Workspace, make_run: MakeRun, rule: Any, owner: User) -> None:
    rule(older_than_days=10)
    with pytest.raises(Conflict, match="already"):
        rule(older_than_days=20)
    first = rule(experiment=make_run().experiment, older_than_days=20)
    services.delete_rule(first, by=owner)
    rule(experiment=first.experiment, older_than_days=30)
    assert RetentionRule.objects.count() == 2


@pytest.mark.parametrize(
    ("wish", "field"),
    [
        ({}, None),
        ({"older_than_days": -1}, "older_than_days"),
        ({"older_than_days": 10**9}, "older_than_days"),
        ({"keep_best": 0, "metric": "a"}, "keep_best"),
        ({"keep_best": 3}, "metric"),
        ({"keep_best": 3, "metric": "a\0"}, "metric"),
        ({"older_than_days": 3, "direction": "up"}, "direction"),
        ({"older_than_days": 3, "keep_tag": "x" * 251}, "keep_tag"),
        ({"purge_days": -3}, "purge_days"),
    ],
)
def test_what_no_rule_says_is_refused(rule: Any, wish: dict[str, Any], field: str | None) -> None:
    with pytest.raises(BadInput) as caught:
        rule(**wish)
    assert caught.value.details.get("field") == field
    assert not RetentionRule.objects.exists()


def test_only_owners_make_rules(
    workspace: Workspace, rule: Any, contributor: User, reader: User, stranger: User
) -> None:
    asked = rule(older_than_days=10)
    for person in (contributor, reader, stranger):
        for act in (
            lambda person: services.set_rule(workspace, older_than_days=1, by=person),
            lambda person: services.update_rule(asked, enabled=False, by=person),
            lambda person: services.delete_rule(asked, by=person),
            lambda person: services.apply_rule(asked, by=person),
        ):
            with pytest.raises(NotAllowed):
                act(person)
    asked.refresh_from_db()
    assert asked.enabled and asked.applied_at is None
