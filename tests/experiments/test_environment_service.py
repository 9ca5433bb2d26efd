"""Definitions become versions, versions are built once a machine, and what goes wrong is told."""

from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.db.models.functions import Now
from django.utils import timezone

from experiments import environments as conda
from experiments import services
from experiments.models import ComputeNode, ComputeTarget, Environment, EnvironmentBuild, EnvironmentVersion, Run
from experiments.services import building, preparing
from experiments.status import BuildStatus, RunStatus
from mlportal.access.models import User, Workspace
from mlportal.errors import BadInput, NotAllowed
from tests.conftest import TINY
from tests.experiments.conftest import Submit

BROKEN = "name: x\ndependencies:\n  - python=3.11\n  - pip:\n    - -r /etc/passwd\n"
ABSENT = TINY + "  - pip:\n    - a-package-that-nobody-ever-published==1.0\n"


def test_an_equal_definition_is_the_same_version(workspace: Workspace, owner: User) -> None:
    first = services.add_version(workspace, "mine", TINY, by=owner)
    assert services.add_version(workspace, " mine ", TINY, by=owner) == first
    second = services.add_version(workspace, "mine", TINY + "# changed\n", by=owner)
    third = services.add_version(workspace, "mine", TINY, as_of=date(2024, 1, 1), by=owner)
    assert [first.version, second.version, third.version] == [1, 2, 3]
    assert third.as_of == date(2024, 1, 1)


def test_an_error_names_its_line_and_writes_nothing(workspace: Workspace, owner: User) -> None:
    with pytest.raises(BadInput) as refusal:
        services.add_version(workspace, "mine", BROKEN, by=owner)
    assert (refusal.value.code, refusal.value.details["field"]) == ("bad_environment", "definition")
    assert refusal.value.details["errors"][0]["line"] == 5
    assert refusal.value.message.startswith("line 5: ")
    assert not Environment.objects.exists()


@pytest.mark.parametrize("name", ["", "  ", "a/b", "x" * 256, "tab\there", "nul\0"])
def test_names_that_no_environment_has(workspace: Workspace, owner: User, name: str) -> None:
    with pytest.raises(BadInput) as refusal:
        services.add_version(workspace, name, TINY, by=owner)
    assert refusal.value.details["field"] == "name"


def test_a_check_builds_nothing_and_raises_nothing(db: None) -> None:
    good = services.check_definition(TINY)
    assert (good.errors, good.interpreter is not None) == ([], True)
    bad = services.check_definition(BROKEN)
    assert bad.spec is None
    assert bad.errors[0]["line"] == 5
    lacking = services.check_definition("dependencies:\n  - python=2.7\n")
    assert (lacking.errors[0]["key"], lacking.errors[0]["line"]) == ("python", 2)
    tomorrow = timezone.now().date() + timedelta(days=1)
    assert [error["key"] for error in services.check_definition(TINY, as_of=tomorrow).errors] == ["as_of"]
    assert services.check_definition(TINY, as_of=tomorrow).spec is None  # so that nobody can add it
    assert services.check_definition(f"# as-of: {tomorrow}\n{TINY}").errors[0]["line"] == 1
    assert services.check_definition(TINY, as_of=tomorrow - timedelta(days=1)).errors == []


def test_the_curated_ones_are_installed_once_and_are_nobodys_to_change(workspace: Workspace, owner: User) -> None:
    services.install_curated(workspace)
    names = set(Environment.objects.filter(curated=True).values_list("name", flat=True))
    assert {"AzureML-Tutorial", "azureml-sklearn-1.5"} <= names
    count = EnvironmentVersion.objects.count()
    services.install_curated(workspace)
    assert EnvironmentVersion.objects.count() == count
    with pytest.raises(BadInput) as refusal:
        services.add_version(workspace, "AzureML-Tutorial", TINY, by=owner)
    assert refusal.value.details["field"] == "name"


def test_readers_add_and_build_nothing(workspace: Workspace, reader: User, version: EnvironmentVersion) -> None:
    with pytest.raises(NotAllowed):
        services.add_version(workspace, "mine", TINY, by=reader)
    with pytest.raises(NotAllowed):
        services.request_build(version, by=reader)


def test_what_is_built_is_not_built_again(built: EnvironmentVersion, owner: User) -> None:
    assert building.is_built_here(built)
    assert services.request_build(built, by=owner) is None
    assert not EnvironmentBuild.objects.exists()


def test_two_requests_are_one_build(version: EnvironmentVersion, owner: User) -> None:
    first = services.request_build(version, by=owner)
    assert first is not None
    assert services.request_build(version, by=owner) == first
    assert (first.status, first.node) == (BuildStatus.WAITING, building.ANY_NODE)


@pytest.mark.django_db(transaction=True)
def test_a_build_resolves_once_tells_its_log_and_wakes_the_run(
    submit: Submit, version: EnvironmentVersion, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(settings, "ENVIRONMENTS_DIR", tmp_path)
    run = submit()
    preparing.prepare(run)  # resolves, builds, and wakes the run
    run.refresh_from_db()
    version.refresh_from_db()
    build = EnvironmentBuild.objects.get()
    assert (build.status, run.build) == (BuildStatus.READY, build)
    assert version.lock_key and version.python_version and version.resolved_at
    text, last = services.read_build_log(build)
    assert text.rstrip().splitlines()[-1].startswith("ready in ")
    assert services.read_build_log(build, last) == ("", last)
    preparing.prepare(run)
    assert run.status == RunStatus.QUEUED
    assert services.explain_preparing(run)["label"] == "built for this run"
    second = submit()
    preparing.prepare(second)
    assert (second.status, second.build) == (RunStatus.QUEUED, None)
    assert services.explain_preparing(second)["label"] == "found in the cache"
    assert EnvironmentBuild.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_a_build_that_fails_fails_every_run_that_waits_and_says_why(
    submit: Submit, workspace: Workspace, owner: User
) -> None:
    version = services.add_version(workspace, "absent", ABSENT, by=owner)
    build, _ = building.open_build(version)
    waiting = submit(environment_version=version)
    preparing.prepare(waiting)
    building.carry_out(build)
    assert build.status == BuildStatus.FAILED
    assert "a-package-that-nobody-ever-published" in build.error
    waiting.refresh_from_db()
    assert waiting.failure is not None
    assert (waiting.status, waiting.failure["type"]) == (RunStatus.FAILED, "Environment")
    assert waiting.failure["message"] == build.error
    assert "failed: " in services.read_build_log(build)[0]


@pytest.mark.django_db(transaction=True)
def test_a_run_of_a_failed_build_fails_even_when_its_builder_died_before_saying_so(
    submit: Submit, version: EnvironmentVersion
) -> None:
    build, _ = building.open_build(version)
    run = submit()
    preparing.prepare(run)
    EnvironmentBuild.objects.move(build, BuildStatus.FAILED, error="no such package")
    preparing.prepare(Run.objects.get(pk=run.pk))  # the reaper's message
    run.refresh_from_db()
    assert run.failure is not None
    assert (run.status, run.failure["message"]) == (RunStatus.FAILED, "no such package")
    assert EnvironmentBuild.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_a_canceled_build_leaves_no_half_environment(version: EnvironmentVersion, owner: User) -> None:
    """The cancel is there before uv has even started."""
    heavy = services.add_version(version.environment.workspace, "heavy", TINY + "  - scikit-learn\n", by=owner)
    build, _ = building.open_build(heavy)
    services.cancel_build(build, by=owner)
    building.carry_out(build)
    assert build.status == BuildStatus.CANCELED
    assert not [path.name for path in settings.ENVIRONMENTS_DIR.glob(".building-*")]
    heavy.refresh_from_db()
    assert not building.is_built_here(heavy)


@pytest.mark.django_db(transaction=True)
def test_a_defect_of_the_portal_ends_the_build_and_the_run_and_is_told(
    submit: Submit, version: EnvironmentVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the reaper closes the build, the run asks for another, and so on for ever without a word."""
    run = submit()
    monkeypatch.setattr(building, "_changes", lambda *arguments: 1 / 0)
    preparing.prepare(run)
    run.refresh_from_db()
    build = EnvironmentBuild.objects.get()
    assert (build.status, run.status) == (BuildStatus.FAILED, RunStatus.FAILED)
    assert "ZeroDivisionError" in build.error
    assert run.failure is not None and run.failure["message"] == build.error


@pytest.mark.django_db(transaction=True)
def test_a_cancel_that_comes_too_late_leaves_the_environment_and_its_run(
    submit: Submit, version: EnvironmentVersion, owner: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = submit()
    real = conda.build

    def build_and_cancel(*arguments: Any, **more: Any) -> Any:
        built = real(*arguments, **more)
        services.cancel_build(EnvironmentBuild.objects.get(), by=owner)
        return built

    monkeypatch.setattr(conda, "build", build_and_cancel)
    preparing.prepare(run)
    run.refresh_from_db()
    assert (EnvironmentBuild.objects.get().status, run.status) == (BuildStatus.READY, RunStatus.PREPARING)
    preparing.prepare(run)
    assert run.status == RunStatus.QUEUED


@pytest.mark.django_db(transaction=True)
def test_a_build_that_was_carried_out_already_is_left_alone(version: EnvironmentVersion) -> None:
    """The message came twice."""
    build, _ = building.open_build(version)
    late = EnvironmentBuild.objects.get(pk=build.pk)
    building.carry_out(build)
    building.carry_out(late)
    building.carry_out(EnvironmentBuild.objects.get(pk=build.pk))
    build.refresh_from_db()
    assert build.status == BuildStatus.READY
    assert services.read_build_log(build)[0].count("ready in ") == 1


@pytest.mark.django_db(transaction=True)
def test_a_build_that_the_reaper_closed_meanwhile_stays_closed(
    version: EnvironmentVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    build, _ = building.open_build(version)
    real = building._keep_lock

    def closed_in_between(*arguments: object) -> None:
        real(*arguments)  # type: ignore[arg-type]
        EnvironmentBuild.objects.move(EnvironmentBuild.objects.get(pk=build.pk), BuildStatus.CANCELED)

    monkeypatch.setattr(building, "_keep_lock", closed_in_between)
    building.carry_out(build)
    build.refresh_from_db()
    assert (build.status, build.error) == (BuildStatus.CANCELED, "")


@pytest.mark.django_db(transaction=True)
def test_a_queued_run_that_no_machine_of_its_target_can_build_for_fails_and_says_why(
    queued: Submit, built: EnvironmentVersion, target: ComputeTarget, owner: User
) -> None:
    """One machine prepared it; those that would run it cannot build the same."""
    for name in ("one", "two"):
        ComputeNode.objects.create(name=name).targets.add(target)
    ComputeNode.objects.create(name="gone", seen_at=timezone.now() - timedelta(hours=1)).targets.add(target)
    other = ComputeTarget.objects.create(name="other")
    runs = [queued(), queued(target="other")]
    assert runs[1].compute_target == other

    def fail_on(node: str) -> None:
        build, _ = building.open_build(built, node=node)
        EnvironmentBuild.objects.move(build, BuildStatus.FAILED, error=f"no such Python on {node}\nand a hint")
        building.settle(build)
        for run in runs:
            run.refresh_from_db()

    fail_on("one")
    assert [run.status for run in runs] == [RunStatus.QUEUED] * 2
    scaling = services.phases(runs[0])[1].reason
    assert scaling.endswith("could not be built on one: no such Python on one and a hint")
    fail_on("two")
    assert [run.status for run in runs] == [RunStatus.FAILED, RunStatus.QUEUED]
    assert runs[0].failure is not None
    assert runs[0].failure["message"] == "no such Python on two\nand a hint"
    assert "no such Python on two" in runs[0].events.get(new="Failed").reason


@pytest.mark.django_db(transaction=True)
def test_an_environment_is_built_where_its_runs_will_be(
    submit: Submit, version: EnvironmentVersion, target: ComputeTarget, messages: Callable[[], list[Any]]
) -> None:
    """This machine may lack the Python that the machines of the target have."""
    ComputeNode.objects.create(name="far").targets.add(target)
    run = submit()
    messages()
    preparing.prepare(run)
    build = EnvironmentBuild.objects.get()
    assert (build.node, build.status) == ("far", BuildStatus.WAITING)
    assert messages() == [("experiments.build", [build.pk])]
    EnvironmentBuild.objects.filter(pk=build.pk).update(status=BuildStatus.READY, seconds=3, ended_at=Now())
    run.refresh_from_db()
    preparing.prepare(run)
    assert run.status == RunStatus.QUEUED
    assert services.explain_preparing(run)["told"] == "Its environment was built on far."


def test_a_machine_that_cannot_build_leaves_the_run_to_others(
    queued: Submit, built: EnvironmentVersion, monkeypatch: pytest.MonkeyPatch, messages: object
) -> None:
    from experiments.services import starting

    run = queued()
    assert run.compute_target is not None
    monkeypatch.setenv("MLPORTAL_NODE", "elsewhere")
    monkeypatch.setattr(settings, "ENVIRONMENTS_DIR", settings.HOME / "elsewhere")
    assert starting.take_next(run.compute_target, worker="other") is None
    build = EnvironmentBuild.objects.get(node="elsewhere")
    EnvironmentBuild.objects.move(build, BuildStatus.FAILED, error="this machine has no such Python")
    assert starting.take_next(run.compute_target, worker="other") is None
    assert EnvironmentBuild.objects.count() == 1  # it does not try again and again
    run.refresh_from_db()
    assert run.status == RunStatus.QUEUED
    monkeypatch.undo()
    assert starting.take_next(run.compute_target, worker="here") == Run.objects.get(pk=run.pk)
