"""A cancel is a request: who owns nothing is ended here, who owns a process ends it. And: the same run again."""

from collections.abc import Callable
from datetime import date
from typing import Any

import pytest

from experiments import services
from experiments.models import EnvironmentBuild, EnvironmentVersion, Run
from experiments.services import building, preparing
from experiments.status import RUN_FINAL, BuildStatus, RunStatus
from mlportal.access.models import AuditEvent, User, Workspace
from mlportal.access.principals import RunPrincipal
from mlportal.errors import Conflict, NotAllowed
from tests.experiments.conftest import Submit

BEFORE_IT_RUNS = (RunStatus.NOT_STARTED, RunStatus.PREPARING, RunStatus.QUEUED)


@pytest.mark.parametrize("status", BEFORE_IT_RUNS)
def test_a_run_that_nobody_owns_is_canceled_at_once(submit: Submit, owner: User, status: RunStatus) -> None:
    run = submit()
    Run.objects.filter(pk=run.pk).update(status=status)
    run.refresh_from_db()
    services.cancel_run(run, by=owner)
    assert run.status == RunStatus.CANCELED
    assert run.ended_at is not None
    event = run.events.get(new="Canceled")
    assert (event.old, event.actor) == (status, owner)


@pytest.mark.parametrize("status", [RunStatus.RUNNING, RunStatus.FINALIZING])
def test_a_run_that_a_worker_owns_is_only_asked_to_end(running: Submit, owner: User, status: RunStatus) -> None:
    run = running()
    Run.objects.filter(pk=run.pk).update(status=status)
    run.refresh_from_db()
    services.cancel_run(run, by=owner)
    assert run.status == status
    assert run.cancel_requested_at is not None
    assert not run.events.filter(new="Canceled").exists()


@pytest.mark.parametrize("status", sorted(RUN_FINAL))
def test_a_final_run_stays_as_it_is(submit: Submit, owner: User, status: str) -> None:
    run = submit()
    Run.objects.filter(pk=run.pk).update(status=status)
    run.refresh_from_db()
    with pytest.raises(Conflict):
        services.cancel_run(run, by=owner)
    run.refresh_from_db()
    assert (run.status, run.cancel_requested_at) == (status, None)


def test_cancelling_twice_records_one_request(running: Submit, owner: User) -> None:
    run = running()
    services.cancel_run(run, by=owner)
    first = run.cancel_requested_at
    services.cancel_run(Run.objects.get(pk=run.pk), by=owner)
    run.refresh_from_db()
    assert run.cancel_requested_at == first
    assert AuditEvent.objects.filter(action="run.cancel").count() == 1


def test_a_cancel_that_meets_a_claim_leaves_the_end_to_the_worker(queued: Submit, owner: User) -> None:
    """The page still shows the run as queued when a worker takes it."""
    seen = queued()
    Run.objects.claim(Run.objects.get(pk=seen.pk), worker="first", node="here", seconds=30)
    services.cancel_run(seen, by=owner)
    assert seen.status == RunStatus.RUNNING
    assert seen.cancel_requested_at is not None


def test_a_run_in_the_trash_takes_nothing_more(submit: Submit, owner: User) -> None:
    run = submit()
    services.cancel_run(run, by=owner)
    services.trash_run(run, by=owner)
    for change in (
        lambda: services.set_tags(run, {"a": "b"}, by=owner),
        lambda: services.add_properties(run, {"a": "b"}, by=owner),
        lambda: services.update_run(run, name="x", by=owner),
        lambda: services.log_metrics(run, [{"t": 1.0, "k": "scalar", "n": "x", "v": 2}], by=owner),
    ):
        with pytest.raises(Conflict, match="trash"):
            change()
    assert not run.tags.exists() and not run.properties.exists() and not run.metrics.exists()


def test_an_experiment_whose_runs_are_executed_is_not_thrown_away(running: Submit, owner: User) -> None:
    run = running()
    with pytest.raises(Conflict, match="cancel"):
        services.trash_experiment(run.experiment, by=owner)
    run.refresh_from_db()
    run.experiment.refresh_from_db()
    assert (run.deleted_at, run.experiment.archived_at) == (None, None)


def test_readers_and_strangers_cancel_nothing(running: Submit, reader: User, stranger: User) -> None:
    run = running()
    for person in (reader, stranger):
        with pytest.raises(NotAllowed):
            services.cancel_run(run, by=person)
    run.refresh_from_db()
    assert run.cancel_requested_at is None


def test_the_build_of_a_canceled_run_is_canceled_when_nobody_else_waits(
    submit: Submit, owner: User, version: EnvironmentVersion
) -> None:
    build, _ = building.open_build(version, for_run=True)
    runs = [submit(), submit()]
    for run in runs:
        preparing.prepare(run)  # somebody else builds, so it waits
        run.refresh_from_db()
        assert (run.status, run.build) == (RunStatus.PREPARING, build)
    services.cancel_run(runs[0], by=owner)
    build.refresh_from_db()
    assert build.cancel_requested_at is None
    services.cancel_run(runs[1], by=owner)
    build.refresh_from_db()
    assert build.cancel_requested_at is not None


def test_a_build_that_somebody_else_asked_for_outlives_a_canceled_run(
    submit: Submit, owner: User, version: EnvironmentVersion
) -> None:
    """A person on the environment's page, or a service that is being deployed."""
    build, _ = building.open_build(version, for_run=True)
    run = submit()
    preparing.prepare(run)
    assert building.open_build(version) == (build, False)
    services.cancel_run(run, by=owner)
    build.refresh_from_db()
    assert build.cancel_requested_at is None


@pytest.mark.django_db(transaction=True)  # the build's log is written from a thread of its own
def test_a_run_that_comes_after_the_cancel_of_a_build_gets_another(
    submit: Submit, owner: User, version: EnvironmentVersion
) -> None:
    build, _ = building.open_build(version, for_run=True)
    before = submit()
    preparing.prepare(before)
    services.cancel_build(build, by=owner)
    after = submit()
    preparing.prepare(after)  # the builder has not noticed yet
    build.refresh_from_db()
    building.carry_out(build)
    for run in (before, after):
        run.refresh_from_db()
    assert (build.status, before.status, after.status) == (
        BuildStatus.CANCELED,
        RunStatus.FAILED,
        RunStatus.PREPARING,
    )
    opened: list[EnvironmentBuild] = []
    preparing.prepare(after, carry_out=opened.append)
    after.refresh_from_db()
    assert opened == [after.build] != [build]


def test_a_canceled_run_is_not_prepared_by_a_late_message(submit: Submit, owner: User) -> None:
    run = submit()
    stale = Run.objects.get(pk=run.pk)
    services.cancel_run(run, by=owner)
    preparing.prepare(stale)
    run.refresh_from_db()
    assert run.status == RunStatus.CANCELED
    assert not run.environment_version.builds.exists()  # type: ignore[union-attr]


def test_a_build_opened_for_a_run_that_was_canceled_meanwhile_is_closed(
    submit: Submit, owner: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = submit()
    real: Callable[..., Any] = building.open_build

    def cancel_in_between(version: EnvironmentVersion, **more: Any) -> Any:
        opened = real(version, **more)
        services.cancel_run(Run.objects.get(pk=run.pk), by=owner)
        return opened

    monkeypatch.setattr(building, "open_build", cancel_in_between)
    preparing.prepare(run)
    assert run.environment_version is not None
    assert [build.status for build in run.environment_version.builds.all()] == [BuildStatus.CANCELED]


def test_a_rerun_is_the_same_again(submit: Submit, owner: User) -> None:
    first = submit(arguments=["--x", "1"], environment_variables={"MODE": "a"}, wall_seconds=9, tags={"t": None})
    again = services.rerun(first, by=owner)
    same = ("snapshot", "script", "arguments", "environment_version", "environment_variables", "wall_seconds")
    assert [getattr(again, name) for name in same] == [getattr(first, name) for name in same]
    assert (again.number, again.rerun_of, again.status) == (2, first, RunStatus.NOT_STARTED)
    assert {tag.name: tag.value for tag in again.tags.all()} == {"t": None}


def test_a_rerun_as_of_a_day_is_a_new_version_of_the_environment(submit: Submit, owner: User) -> None:
    first = submit()
    day = date(2020, 7, 24)
    again = services.rerun(first, as_of=day, by=owner)
    assert again.environment_version is not None and first.environment_version is not None
    assert (again.environment_version.as_of, first.environment_version.as_of) == (day, None)
    assert again.environment_version.environment == first.environment_version.environment
    assert services.rerun(first, as_of=day, by=owner).environment_version == again.environment_version


def test_a_rerun_as_of_a_day_works_for_a_curated_environment(submit: Submit, owner: User, workspace: Workspace) -> None:
    services.install_curated(workspace)
    curated = EnvironmentVersion.objects.filter(environment__curated=True, as_of=None).first()
    assert curated is not None
    first = submit(environment_version=curated)
    again = services.rerun(first, as_of=date(2024, 1, 31), by=owner)
    assert again.environment_version is not None
    assert again.environment_version.definition == curated.definition
    assert again.environment_version.as_of == date(2024, 1, 31)
    assert not again.environment_version.environment.curated


@pytest.mark.parametrize("status", BEFORE_IT_RUNS)
def test_a_run_that_nobody_owns_is_given_up_at_once(submit: Submit, owner: User, status: RunStatus) -> None:
    run = submit()
    Run.objects.filter(pk=run.pk).update(status=status)
    run.refresh_from_db()
    services.finish_run(run, RunStatus.FAILED, message="wrong data", code="E7", by=owner)
    assert run.status == RunStatus.FAILED
    assert run.failure and (run.failure["type"], run.failure["message"]) == ("E7", "wrong data")
    assert (run.events.get(new="Failed").actor, run.events.get(new="Failed").reason) == (owner, "failed by olga")


def test_who_may_give_one_up_and_how(running: Submit, owner: User, reader: User) -> None:
    run = running()
    with pytest.raises(NotAllowed):
        services.finish_run(run, RunStatus.FAILED, by=reader)
    with pytest.raises(Conflict):
        services.finish_run(run, RunStatus.FAILED, by=RunPrincipal(run.pk, run.workspace_id, owner))
    with pytest.raises(Conflict):
        services.finish_run(run, RunStatus.COMPLETED, by=owner)
    run.refresh_from_db()
    assert (run.cancel_requested_at, run.failure) == (None, None)
    services.finish_run(run, RunStatus.FAILED, by=owner)
    run.refresh_from_db()
    assert run.status == RunStatus.RUNNING
    assert run.cancel_requested_at is not None


def test_one_that_is_canceled_already_stays_so(running: Submit, owner: User) -> None:
    run = running()
    services.cancel_run(run, by=owner)
    services.finish_run(run, RunStatus.FAILED, by=owner)
    run.refresh_from_db()
    assert not run.is_given_up
