"""Preparing: from submitted to an environment that is there."""

from experiments.models import EnvironmentBuild, Run
from experiments.services import dispatch, environments
from experiments.status import BuildStatus, RunStatus
from mlportal.errors import StaleState


def prepare(run: Run) -> None:
    """One step forward; safe to call at any time, twice, and by two workers at once.

    With the environment in place the run is queued; else a build is under way (this or another worker's), and whoever
    builds wakes the run again.
    """
    try:
        if run.status == RunStatus.NOT_STARTED:
            Run.objects.move(run, RunStatus.PREPARING)
        if run.status != RunStatus.PREPARING:
            return
        version = run.environment_version
        if version is None:
            Run.objects.move(run, RunStatus.FAILED, reason="The run has no environment.")
        elif environments.is_built_here(version):
            reason = "environment built" if run.build_id else "environment found in the cache"
            Run.objects.move(run, RunStatus.QUEUED, reason=reason)
            dispatch.wake(run)
        elif run.build and run.build.status == BuildStatus.FAILED:
            environments.fail_run(run, run.build)  # who built it died before it could say so
        else:
            _wait_for_build(run)
    except StaleState:
        return  # canceled, or another worker did this step


def _wait_for_build(run: Run) -> None:
    assert run.environment_version is not None
    build, mine = environments.open_build(run.environment_version)
    waits = Run.objects.filter(pk=run.pk, status=run.status).update(build=build)
    if mine and waits:
        environments.carry_out(build)
    elif mine:
        EnvironmentBuild.objects.move(build, BuildStatus.CANCELED)
