"""Preparing: from submitted to an environment that is there."""

from collections.abc import Callable

from experiments.models import EnvironmentBuild, Run
from experiments.services import building, compute, dispatch
from experiments.status import BuildStatus, RunStatus
from mlportal.errors import StaleState
from mlportal.node import node_name


def prepare(run: Run, *, carry_out: Callable[[EnvironmentBuild], None] = building.carry_out) -> None:
    """One step forward; safe to call at any time, twice, and by two workers at once.

    With the environment in place the run is queued; else a build is under way (this or another worker's), and whoever
    builds wakes the run again. `carry_out` is given the build that this run has opened.
    """
    try:
        if run.status == RunStatus.NOT_STARTED:
            Run.objects.move(run, RunStatus.PREPARING)
        if run.status != RunStatus.PREPARING:
            return
        version = run.environment_version
        if version is None:
            Run.objects.move(run, RunStatus.FAILED, reason="The run has no environment.")
        elif (ready := _is_ready(run.build)) or building.is_built_here(version):
            built = ready and run.build and run.build.seconds is not None
            Run.objects.move(
                run, RunStatus.QUEUED, reason="environment built" if built else "environment found in the cache"
            )
            dispatch.wake(run)
        elif run.build and run.build.status == BuildStatus.FAILED:
            building.fail_run(run, run.build)  # who built it died before it could say so
        else:
            _wait_for_build(run, carry_out)
    except StaleState:
        return  # canceled, or another worker did this step


def _wait_for_build(run: Run, carry_out: Callable[[EnvironmentBuild], None]) -> None:
    assert run.environment_version is not None
    node = compute.builder_for(run.compute_target)
    build, mine = building.open_build(run.environment_version, node=node, for_run=True)
    waits = Run.objects.filter(pk=run.pk, status=run.status).update(build=build)
    if mine and not waits:
        EnvironmentBuild.objects.move(build, BuildStatus.CANCELED)
    elif mine and node == node_name():
        carry_out(build)
    elif mine:
        dispatch.wake_builder(build)


def _is_ready(build: EnvironmentBuild | None) -> bool:
    """Built on a machine of the run's target, which need not be this one."""
    return build is not None and build.status == BuildStatus.READY
