"""What is refused when a run is asked for, by field; and that a refusal leaves nothing behind."""

from collections.abc import Callable
from typing import Any

import pytest

from experiments import services
from experiments.models import ComputeTarget, Experiment, Run, Snapshot
from experiments.services import submit as submitting
from experiments.status import RunStatus
from mlportal.access.models import AuditEvent, User, Workspace
from mlportal.access.services import create_workspace
from mlportal.errors import BadInput, NotAllowed
from tests.conftest import TINY
from tests.experiments.conftest import Submit


def test_a_run_is_written_with_all_that_was_asked_for(submit: Submit, owner: User) -> None:
    run = submit(
        arguments=["--kernel", "linear", 1.5],
        name=" first try ",
        environment_variables={"MODE": "quick"},
        wall_seconds=60,
        tags={"team": "blue", "empty": None},
    )
    assert run.status == RunStatus.NOT_STARTED
    assert (run.number, run.experiment.name, run.name) == (1, "trials", "first try")
    assert run.arguments == ["--kernel", "linear", "1.5"]
    assert (run.environment_variables, run.wall_seconds) == ({"MODE": "quick"}, 60)
    assert {tag.name: tag.value for tag in run.tags.all()} == {"team": "blue", "empty": None}
    assert [(event.old, event.new, event.actor) for event in run.events.all()] == [("", "NotStarted", owner)]
    assert AuditEvent.objects.filter(action="run.submit", subject=run.uid, actor=owner).count() == 1


def test_numbers_count_up_in_each_experiment(submit: Submit) -> None:
    assert [submit().number, submit().number, submit(experiment="others").number, submit().number] == [1, 2, 1, 3]


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({"script": "other.py"}, "script"),
        ({"script": "../train.py"}, "script"),
        ({"target": "moon"}, "target"),
        ({"experiment": ""}, "experiment"),
        ({"experiment": "-x"}, "experiment"),
        ({"experiment": "a/b"}, "experiment"),
        ({"experiment": "x" * 256}, "experiment"),
        ({"experiment": "trials\n"}, "experiment"),
        ({"name": "a\0b"}, "name"),
        ({"arguments": ["a\0b"]}, "arguments"),
        ({"arguments": ["\ud800"]}, "arguments"),
        ({"arguments": ["x"] * 1001}, "arguments"),
        ({"arguments": ["x" * 32_001]}, "arguments"),
        ({"environment_variables": {"": "x"}}, "environment_variables"),
        ({"environment_variables": {"A=B": "x"}}, "environment_variables"),
        ({"environment_variables": {"A": "\0"}}, "environment_variables"),
        ({"environment_variables": {"MLFLOW_TRACKING_TOKEN": "x"}}, "environment_variables"),
        ({"environment_variables": {"LD_PRELOAD": "x"}}, "environment_variables"),
        ({"environment_variables": {"PATH": "x"}}, "environment_variables"),
        ({"wall_seconds": 0}, "wall_seconds"),
        ({"wall_seconds": -5}, "wall_seconds"),
        ({"wall_seconds": 1 << 40}, "wall_seconds"),
        ({"tags": {"": "x"}}, "tags"),
        ({"tags": {"x" * 251: "x"}}, "tags"),
        ({"tags": {"a": "\0"}}, "tags"),
    ],
)
def test_what_cannot_be_is_refused_by_its_field(submit: Submit, asked: dict[str, Any], field: str) -> None:
    with pytest.raises(BadInput) as refusal:
        submit(**asked)
    assert refusal.value.details["field"] == field
    assert not Run.objects.exists()
    assert not Experiment.objects.exists()
    assert not AuditEvent.objects.filter(action__startswith="run.").exists()


def test_what_belongs_to_another_workspace_is_refused(
    submit: Submit, owner: User, upload: Callable[..., Snapshot]
) -> None:
    other = create_workspace("other", by=owner)
    theirs = services.add_version(other, "theirs", TINY, by=owner)
    with pytest.raises(BadInput) as refusal:
        submit(environment_version=theirs)
    assert refusal.value.details["field"] == "environment"
    snapshot = upload({"train.py": "pass\n"})
    Snapshot.objects.filter(pk=snapshot.pk).update(workspace=other)
    snapshot.refresh_from_db()
    with pytest.raises(BadInput) as refusal:
        submit(snapshot=snapshot)
    assert refusal.value.details["field"] == "snapshot"
    ComputeTarget.objects.create(name="their-machine", workspace=other)
    with pytest.raises(BadInput, match="there are: local"):
        submit(target="their-machine")


def test_only_contributors_submit(
    submit: Submit, contributor: User, reader: User, stranger: User, workspace: Workspace
) -> None:
    assert submit(by=contributor).created_by == contributor
    for person in (reader, stranger):
        with pytest.raises(NotAllowed):
            submit(by=person)
    assert Run.objects.count() == 1


def test_an_archived_experiment_comes_back_with_its_next_run(submit: Submit) -> None:
    from django.utils import timezone

    first = submit()
    Experiment.objects.update(archived_at=timezone.now())
    assert submit().number == first.number + 1
    assert Experiment.objects.get().archived_at is None


def test_a_refusal_after_the_number_was_taken_leaves_no_gap(submit: Submit, monkeypatch: pytest.MonkeyPatch) -> None:
    submit()
    with monkeypatch.context() as patch:
        patch.setattr(submitting, "MAX_ARGUMENTS", 0)
        with pytest.raises(BadInput):
            submit(arguments=["x"])
    assert submit().number == 2
