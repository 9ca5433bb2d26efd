"""How a run came to its environment is told as it was."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.conf import settings

from experiments import services
from experiments.models import ComputeNode, EnvironmentBuild, EnvironmentVersion, Run
from experiments.services import building, preparing
from experiments.status import BuildStatus, RunStatus
from mlportal.access.models import User, Workspace
from tests.conftest import TINY
from tests.experiments.conftest import Submit
from tests.experiments.test_environment_service import ABSENT

pytestmark = pytest.mark.django_db(transaction=True)


def label(run: Run) -> str:
    run = Run.objects.get(pk=run.pk)
    told = services.explain_preparing(run)
    assert services.phases(run)[0].reason.startswith(told["told"].rstrip(".") if run.preparing_at else "")
    return str(told["label"])


def test_before_anything_is_known(submit: Submit) -> None:
    assert label(submit()) == "not known yet"


def test_a_build_that_finds_the_environment_there_is_no_build(
    submit: Submit, built: EnvironmentVersion, workspace: Workspace, owner: User
) -> None:
    """Another version of the YAML may come to the same lock."""
    other = services.add_version(workspace, "tiny", f"# the same\n{TINY}", by=owner)
    run = submit(environment_version=other)
    preparing.prepare(run)  # resolves, and finds it
    run.refresh_from_db()
    preparing.prepare(run)
    other.refresh_from_db()
    assert (run.status, other.lock_key) == (RunStatus.QUEUED, built.lock_key)
    assert label(run) == "found in the cache"
    assert run.events.get(new="Queued").reason == "environment found in the cache"
    build = EnvironmentBuild.objects.get()
    assert (build.status, build.seconds) == (BuildStatus.READY, None)
    assert services.usual_seconds(other) is None  # a look at the disk says nothing about how long builds take


def test_who_comes_during_a_build_waits_for_anothers(
    submit: Submit, version: EnvironmentVersion, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(settings, "ENVIRONMENTS_DIR", tmp_path)
    first, second = submit(), submit()
    preparing.prepare(first, carry_out=lambda build: None)
    preparing.prepare(second)
    assert first.status == second.status == RunStatus.PREPARING
    assert [label(run) for run in (first, second)] == ["being built", "another's build"]
    building.carry_out(EnvironmentBuild.objects.get())
    for run in (first, second):
        run.refresh_from_db()
        preparing.prepare(run)
    assert [label(run) for run in (first, second)] == ["built for this run", "waited for another's build"]


def test_a_build_that_failed_was_not_built(submit: Submit, workspace: Workspace, owner: User) -> None:
    run = submit(environment_version=services.add_version(workspace, "absent", ABSENT, by=owner))
    preparing.prepare(run)
    run = Run.objects.get(pk=run.pk)
    assert (run.status, label(run)) == (RunStatus.FAILED, "failed")
    reason = services.phases(run)[0].reason
    assert "could not be built" in reason and "a-package-that-nobody-ever-published" in reason
    assert "was built" not in reason


def test_a_build_that_somebody_canceled(submit: Submit, version: EnvironmentVersion, owner: User) -> None:
    run = submit()
    preparing.prepare(run, carry_out=lambda build: None)
    build = EnvironmentBuild.objects.get()
    services.cancel_build(build, by=owner)
    building.carry_out(build)
    run = Run.objects.get(pk=run.pk)
    assert (run.status, label(run)) == (RunStatus.FAILED, "not finished")
    assert services.explain_preparing(run)["told"] == "The build of its environment was canceled."


def test_a_build_whose_worker_died_starts_again(submit: Submit, version: EnvironmentVersion) -> None:
    run = submit()
    preparing.prepare(run, carry_out=lambda build: None)
    build = EnvironmentBuild.objects.get()
    EnvironmentBuild.objects.move(build, BuildStatus.CANCELED, error="Its worker stopped.")
    assert label(run) == "starts again"


def test_a_run_that_was_canceled_while_its_environment_was_built(
    submit: Submit, version: EnvironmentVersion, owner: User
) -> None:
    run = submit()
    preparing.prepare(run, carry_out=lambda build: None)
    run.refresh_from_db()
    services.cancel_run(run, by=owner)
    assert label(run) == "not finished"
    assert services.explain_preparing(run)["told"] == "It ended before its environment was there."


def test_a_run_that_is_queued_while_another_machine_still_builds(
    submit: Submit, built: EnvironmentVersion, target: object
) -> None:
    run = submit()
    ComputeNode.objects.create(name="slow")
    build, _ = building.open_build(built, node="slow")
    Run.objects.filter(pk=run.pk).update(build=build)
    run.refresh_from_db()
    preparing.prepare(run)
    assert (run.status, label(run)) == (RunStatus.QUEUED, "found in the cache")
